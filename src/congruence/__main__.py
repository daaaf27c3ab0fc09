"""`python -m congruence` is the `congruence` command."""

from congruence.cli.main import main

if __name__ == "__main__":
    main()
