#!/bin/sh
# Print the remaining time. The deadline, in seconds since boot, is in a file that only the host can write.
deadline=$(cat "${PTB_DEADLINE:-/run/ptb/deadline}") || exit 1
read -r now _ < /proc/uptime
awk -v deadline="$deadline" -v now="$now" 'BEGIN {
  left = deadline - now
  if (left < 0) left = 0
  printf "%d seconds left (%d:%02d:%02d)\n", left, left / 3600, left % 3600 / 60, left % 60
}'
