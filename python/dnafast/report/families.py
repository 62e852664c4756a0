"""The families of models: their order on the page and their colours, the same in every picture and table."""

from __future__ import annotations

from collections.abc import Mapping

FAMILIES: dict[str, tuple[str, ...]] = {
    "recurrent": ("rnn", "birnn", "lstm", "bilstm", "gru", "bigru", "kmer_rnn"),
    "convolutional": ("deepbind", "kmer_cnn", "multiscale_cnn", "deepsea", "basset"),
    "hybrid": ("danq", "promoter_lstm", "swap"),
    "other": (),
    "floor": ("gc_logistic", "kmer_logistic", "onehot_logistic"),
}

TITLES = {
    "recurrent": "Recurrent",
    "convolutional": "Convolutional",
    "hybrid": "Hybrid (convolution, then recurrence)",
    "other": "Other",
    "floor": "Floors (logistic regression)",
}

SHORT_TITLES = {
    "recurrent": "recurrent",
    "convolutional": "convolutional",
    "hybrid": "hybrid",
    "other": "other",
    "floor": "floors",
}

MARKERS = {"recurrent": "o", "convolutional": "s", "hybrid": "^", "other": "P", "floor": "D"}

# Variable of the page's stylesheet -> (light, dark). The families are the blue, vermilion and green of Okabe and Ito,
# told apart under every common colour blindness; each comes in three shades for curves that share a panel.
PALETTE: dict[str, tuple[str, str]] = {
    "paper": ("#fefefe", "#15181c"),
    "ink": ("#1c2127", "#e4e7eb"),
    "muted": ("#5b6570", "#9aa4af"),
    "line": ("#d8dde3", "#343b43"),
    "band": ("#eceff2", "#23282e"),
    "recurrent-0": ("#0067a8", "#5cb3ec"),
    "recurrent-1": ("#4aa3df", "#a5d5f7"),
    "recurrent-2": ("#0a2f57", "#2f7fc0"),
    "convolutional-0": ("#c4500a", "#f08a4b"),
    "convolutional-1": ("#f0954f", "#f9c39c"),
    "convolutional-2": ("#6e2a03", "#c8642a"),
    "hybrid-0": ("#00805e", "#3ecfa5"),
    "hybrid-1": ("#35b894", "#a2e8d3"),
    "hybrid-2": ("#004735", "#1f9a77"),
    "other-0": ("#8a3f86", "#d58fd1"),
    "other-1": ("#b978b5", "#ebc4e8"),
    "other-2": ("#4f1f4c", "#a860a3"),
    "floor-0": ("#6a7179", "#a3abb4"),
    "floor-1": ("#8b929a", "#858d96"),
    "floor-2": ("#474d54", "#c6ccd2"),
    "data-0": ("#8c510a", "#d9a860"),
    "data-1": ("#bf812d", "#b0762a"),
    "data-2": ("#dfc27d", "#f0dcae"),
    "data-3": ("#b09a6a", "#84683a"),
    "model-0": ("#4d2a7d", "#b79be0"),
    "model-1": ("#8662b5", "#8561b8"),
    "model-2": ("#b9a3da", "#e0d3f2"),
    "model-3": ("#2f7f86", "#5fc4cc"),
    "model-4": ("#a8467a", "#ea8fbd"),
    "model-5": ("#55606b", "#66727f"),
    "model-6": ("#b9b46a", "#dcd79a"),
    "warning": ("#8a5200", "#f0b45a"),
    "warning-band": ("#fff4df", "#33291a"),
    "failure": ("#a3201d", "#ff9a94"),
    "failure-band": ("#fdeceb", "#3a2020"),
}

_PLACE = {model: (rank, place) for rank, models in enumerate(FAMILIES.values()) for place, model in enumerate(models)}
_RANK = {family: rank for rank, family in enumerate(FAMILIES)}


def family_of(model: str) -> str:
    """Return the family of a model, whatever its options; ``"other"`` for a name that the table does not hold."""
    base, _, options = model.partition("[")
    if base == "swap":
        return _family_of_swap(dict(option.split("=", 1) for option in options.rstrip("]").split(",") if "=" in option))
    return next((family for family, models in FAMILIES.items() if base in models), "other")


def _family_of_swap(options: Mapping[str, str]) -> str:
    """Return what the stem and the core of a swap make of it: with a recurrent core, the stem decides."""
    # A name leaves out what is the default.
    core = options.get("core", "lstm")
    if core in ("none", "dilated"):
        return "convolutional"
    if core == "attention":
        return "other"
    return "recurrent" if options.get("stem", "conv") == "none" else "hybrid"


def place_of(model: str) -> tuple[int, int, str]:
    """Return the sort key that keeps models in the order of the families: fixed, never by how good they are."""
    _, place = _PLACE.get(model.partition("[")[0], (0, 0))
    return _RANK[family_of(model)], place, model.rstrip("]")


def colour(variable: str) -> str:
    """Return the light colour of a variable; pictures are drawn with it and refer to the variable afterwards."""
    return PALETTE[variable][0]
