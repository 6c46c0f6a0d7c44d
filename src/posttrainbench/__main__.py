"""`python -m posttrainbench` is `ptb`."""

from posttrainbench.cli import main

if __name__ == "__main__":
    main()
