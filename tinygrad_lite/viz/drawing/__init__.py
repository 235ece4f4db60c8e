"""From what shows to ink: `stage` holds the folded graph and asks for values, gradients and verdicts of what shows; `faces` words each card;
`scene` is all of it with places, as plain dataclasses, for one state of opened modules; `ink` writes a scene as SVG, `export` as DOT, Mermaid and
JSON.
"""

from .export import to_json, to_mermaid, to_scene_dot
from .faces import LOOKS, ChipFace, Facts, Verdict, chip_text, face, grad_text, sampled, value_text
from .ink import STYLE, levels, svg
from .scene import LIMIT, Scene, box_tip, box_title, scene, single_ops
from .stage import GRADIENT, Stage, stage

__all__ = ["GRADIENT", "LIMIT", "LOOKS", "STYLE", "ChipFace", "Facts", "Scene", "Stage", "Verdict", "box_tip", "box_title", "chip_text", "face",
           "grad_text", "levels", "sampled", "scene", "single_ops", "stage", "svg", "to_json", "to_mermaid", "to_scene_dot", "value_text"]
