"""nn.functional refuses bad input: with the argument and both sides, before anything is computed."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import errors
from tinygrad_lite.nn import functional as F


def t(*shape: int) -> tl.Tensor:
    return tl.ones(*shape)


PAIRS = [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy,
         F.binary_cross_entropy_with_logits, F.sigmoid_focal_loss, F.kl_div,
         F.poisson_nll_loss, F.soft_margin_loss, F.hinge_embedding_loss, lambda x, y: F.margin_ranking_loss(x, x, y),
         lambda x, y: F.gaussian_nll_loss(x, y, x)]


@pytest.mark.parametrize("loss", PAIRS, ids=lambda f: f.__name__)
def test_a_column_against_a_vector_is_an_error_with_both_shapes(loss):
    with pytest.raises(errors.ShapeError, match=r"\(4, 1\), target has \(4,\)"):
        loss(t(4, 1), t(4))


@pytest.mark.parametrize("loss", [F.mse_loss, F.cross_entropy, F.kl_div, F.triplet_margin_loss, F.sigmoid_focal_loss],
                         ids=lambda f: f.__name__)
def test_another_reduction_is_an_error(loss):
    with pytest.raises(ValueError, match="'average'"):
        loss(*[t(4)] * (3 if loss is F.triplet_margin_loss else 2), reduction="average")


LABEL_LOSSES = [F.cross_entropy, F.nll_loss, F.multi_margin_loss,
                lambda x, y, weight=None: F.cross_entropy(x, y, weight, label_smoothing=0.1)]


@pytest.mark.parametrize("loss", LABEL_LOSSES, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("target", "weight", "error", "match"), [
    ([0, 3, 1], None, IndexError, "class index 3; there are 3 classes, 0 to 2"),
    ([0, -1, 1], None, IndexError, "class index -1"),
    (np.array([0, 200, 1], np.uint8), None, IndexError, "200"), ([0.0, 1.0, 2.0], None, errors.DtypeError, "float"),
    ([0, 1], None, errors.ShapeError, r"\(3, 3\).*\(2,\)"), ([[0], [1], [1]], None, errors.ShapeError,
        r"\(3, 3\).*\(3, 1\)"),
    ([0, 1, 2], t(4), errors.ShapeError, r"\(4,\).*\(3, 3\)")])
def test_labels(loss, target, weight, error, match):
    with pytest.raises(error, match=match):
        loss(t(3, 3), tl.tensor(target), weight=weight)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: F.embedding(tl.tensor([0, 4]), t(4, 2)), IndexError, "index 4; there are 4"),
    (lambda: F.embedding(tl.tensor([0, -1]), t(4, 2)), IndexError, "index -1"),
    (lambda: F.embedding(tl.tensor([0.0]), t(4, 2)), errors.DtypeError, "float32"),
    (lambda: F.embedding(tl.tensor([0]), t(4)), errors.ShapeError, r"\(4,\)"),
    (lambda: F.embedding(tl.tensor([0]), t(4, 2), padding_idx=4), IndexError, "padding_idx 4"),
    (lambda: F.one_hot(tl.tensor([0, 3]), 3), IndexError, "index 3"),
    (lambda: F.one_hot(tl.tensor([-1])), IndexError, "-1"),
    (lambda: F.one_hot(t(3)), errors.DtypeError, "float32"),
    (lambda: F.one_hot(tl.tensor([], dtype=int)), ValueError, "num_classes"),
    (lambda: F.layer_norm(t(3, 4), (3,)), errors.ShapeError, r"\(3,\).*\(3, 4\)"),
    (lambda: F.layer_norm(t(3, 4), 4, t(3)), errors.ShapeError, r"weight has shape \(3,\).*\(4,\)"),
    (lambda: F.rms_norm(t(3, 4), 3), errors.ShapeError, r"\(3,\).*\(3, 4\)"),
    (lambda: F.batch_norm(t(3, 4), t(3), t(4)), errors.ShapeError, r"running_mean has shape \(3,\).*\(3, 4\)"),
    (lambda: F.batch_norm(t(1, 4), None, None, training=True), ValueError, r"\(1, 4\)"),
    (lambda: F.batch_norm(t(3, 4), None, None), ValueError, "running_mean"),
    (lambda: F.batch_norm(t(3), None, None, training=True), errors.ShapeError, r"\(3,\)"),
    (lambda: F.group_norm(t(2, 3), 2), errors.ShapeError, r"2.*\(2, 3\)"),
    (lambda: F.instance_norm(t(2, 3)), errors.ShapeError, r"\(2, 3\)"),
    (lambda: F.instance_norm(t(2, 3, 1)), ValueError, r"\(2, 3, 1\)"),
    (lambda: F.glu(t(3, 5)), errors.ShapeError, r"\(3, 5\)"),
    (lambda: F.prelu(t(2, 3), t(2)), errors.ShapeError, r"\(2,\).*\(2, 3\)"),
    (lambda: F.gelu(t(1), "fast"), ValueError, "'fast'"),
    (lambda: F.hardtanh(t(1), 2, 1), ValueError, "2"), (lambda: F.softshrink(t(1), -1), ValueError, "-1"),
    (lambda: F.dropout(t(1), 1.5), ValueError, "1.5"),
    (lambda: F.softmax(t(2, 3), 2), ValueError, "axis 2"), (lambda: F.cosine_similarity(t(2, 3), t(2, 4)),
        errors.ShapeError, r"\(2, 3\).*\(2, 4\)"),
    (lambda: F.bilinear(t(2, 3), t(2, 4), t(5, 4, 4)), errors.ShapeError, r"\(2, 3\).*\(2, 4\).*\(5, 4, 4\)"),
    (lambda: F.bilinear(t(2, 3), t(2, 4), t(5, 3, 4), t(4)), errors.ShapeError, r"\(4,\).*\(5, 3, 4\)"),
    (lambda: F.scaled_dot_product_attention(t(3, 4), t(3, 5), t(3, 4)), errors.ShapeError, r"\(3, 4\).*\(3, 5\)"),
    (lambda: F.scaled_dot_product_attention(t(2, 3, 4), t(5, 3, 4), t(5, 3, 4)), errors.ShapeError,
     r"\(2, 3, 4\).*\(5, 3, 4\)"),
    (lambda: F.scaled_dot_product_attention(t(3, 4), t(5, 4), t(5, 4), tl.ones(5, 3)), errors.ShapeError,
     r"\(5, 3\).*\(3, 5\)"),
    (lambda: F.scaled_dot_product_attention(t(3, 4), t(3, 4), t(3, 4), tl.tensor([[1, 0, 1]])), errors.DtypeError,
     "int64"),
    (lambda: F.scaled_dot_product_attention(t(3, 4), t(3, 4), t(3, 4), t(3, 3), is_causal=True), ValueError,
     "not both"),
    (lambda: F.binary_cross_entropy(tl.tensor([1.5]), t(1)), ValueError, "1.5"),
    (lambda: F.gaussian_nll_loss(t(2, 3), t(2, 3), t(3)), errors.ShapeError, r"\(3,\)"),
    (lambda: F.gaussian_nll_loss(t(2), t(2), -t(2)), ValueError, "negative"),
    (lambda: F.gaussian_nll_loss(t(2), t(2), t(2), eps=0), ValueError, "eps"),
    (lambda: F.binary_cross_entropy_with_logits(t(2, 3), t(2, 3), pos_weight=t(2)), errors.ShapeError,
     r"pos_weight has shape \(2,\).*\(2, 3\)"),
    (lambda: F.cross_entropy(t(2, 3), t(2, 4)), (errors.ShapeError, errors.DtypeError), r"\(2, 3\).*\(2, 4\)"),
    (lambda: F.cross_entropy(t(2, 3), tl.tensor([0, 1]), label_smoothing=2), ValueError, "2"),
    (lambda: F.huber_loss(t(1), t(1), delta=0), ValueError, "delta"),
    (lambda: F.triplet_margin_loss(t(2, 3), t(2, 3), t(2, 4)), errors.ShapeError, r"\(2, 3\), negative has \(2, 4\)"),
    (lambda: F.cosine_embedding_loss(t(2, 3), t(2, 3), t(3)), errors.ShapeError, r"\(2, 3\).*\(3,\)"),
    (lambda: F.multi_margin_loss(t(2, 3), tl.tensor([0, 1]), 3), ValueError, "3")])
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()
