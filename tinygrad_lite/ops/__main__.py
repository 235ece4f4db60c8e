"""`python -m tinygrad_lite.ops` prints which of NumPy's functions differentiate, with each row's formula: `coverage`'s page."""

from ..coverage import main

if __name__ == "__main__":
    main()
