"""The compiler: a captured step as a program of NumPy calls, made better by passes, printed, and run.

    record      a tape that writes a `program`, each op expanded into NumPy calls by `trace`
    passes/     make the program better; `memory` says where each value lives
    printing/   the program as NumPy source; native/ as machine code
    entry       the way in: what must still hold (`watch`), then the step
    compiled    tl.compile, which does all of that at the first call
    profiling, verifying, saved, listing    look at a program, check it, keep it
"""

from .compiled import Compiled, compile
from .passes import PASSES
from .program import Call, Program, Value

__all__ = ["PASSES", "Call", "Compiled", "Program", "Value", "compile"]
