"""Import of results trees of the original benchmark. The files are hostile: reads are bounded, links not followed."""
