"""Answer from the record of a run which files can have reached its final model."""

from posttrainbench.audit.provenance.graph import Answer, FinalFile, Graph, Image, Read, Step, Way, final_files
from posttrainbench.audit.provenance.reading import read_graph

__all__ = ["Answer", "FinalFile", "Graph", "Image", "Read", "Step", "Way", "final_files", "read_graph"]
