"""A contract for import-linter: modules must not import one another in a circle.

import-linter's own `acyclic_siblings` compares whole packages. It would forbid that `audit.evidence` reads through
`audit.behavior.trace` while `audit.behavior.scripts` reads `audit.evidence`, although no module depends on itself.
"""

from graphlib import CycleError, TopologicalSorter

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output


class AcyclicModulesContract(Contract):
    """No module imports itself through others. Imports inside functions count like those at the top."""

    type_name = "acyclic_modules"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Search the import graph for a circle; the first one is reported."""
        imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            return ContractCheck(kept=False, metadata={"circle": error.args[1]})
        return ContractCheck(kept=True)

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the circle, each module imported by the next one."""
        output.print_error(" <- ".join(check.metadata["circle"]))
