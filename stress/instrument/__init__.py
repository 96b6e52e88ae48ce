"""Instrumentation by bytecode: hooks before every operation that another task could see.

This room rewrites code so that hooks are called. It knows nothing of what the hooks do.
"""

from stress.instrument.block import Instrumented as Instrumented
from stress.instrument.block import instrumented as instrumented
from stress.instrument.hooks import Hooks as Hooks
from stress.instrument.modules import ModuleNames as ModuleNames
