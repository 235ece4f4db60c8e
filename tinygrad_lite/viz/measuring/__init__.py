"""What is known of a graph in numbers: of an array (`numbers`: range, rms, histogram; the gradients of results, by a backward pass that leaves no
trace), and of each node what it costs (`profile`: time and memory; `flops`: operations, from the shapes). `heats` makes colours of them, which add
up to the whole whatever is folded or closed.
"""

from .heats import Heat, gathered, heat_of_memory, heat_of_time
from .numbers import Numbers, gradients, measure, short, value_of
from .profile import Cost, Profile, profile

__all__ = ["Cost", "Heat", "Numbers", "Profile", "gathered", "gradients", "heat_of_memory", "heat_of_time", "measure", "profile", "short",
           "value_of"]
