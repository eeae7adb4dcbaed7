"""Resizing: PyTorch's values, what stays as it is, errors."""

import numpy as np
import pytest
import stored

import autograd_vs as av

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", stored.names("resize"))
def test_pytorchs_values(name, dtype):
    stored.compare(name, dtype)


@pytest.mark.parametrize("method", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_a_plain_image_stays_plain(method):
    y = av.nn.resize(np.full((1, 3, 5, 2), 7.0), (11, 2), method)
    np.testing.assert_allclose(y.numpy(), 7.0, rtol=1e-14)


@pytest.mark.parametrize("method", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_the_gradient_is_the_transpose(method):
    x, w = RNG.normal(size=(2, 9, 3)), RNG.normal(size=(2, 14, 3))
    g = av.grad(lambda x: (av.nn.resize(x, 14, method) * w).sum())(x)
    np.testing.assert_allclose((g * x).sum().item(), (av.nn.resize(x, 14, method) * w).sum().item(), rtol=1e-12)


def test_the_same_size_is_the_same_image():
    v = av.Variable(RNG.normal(size=(1, 3, 4, 1)))
    y = av.nn.resize(v, (3, 4))
    before = v.numpy()
    v.assign(v * 2)
    assert isinstance(y, av.Tensor) and (y.numpy() == before).all()


def test_nearest_keeps_integers():
    image = np.array([[[1], [2], [3]]], np.uint8)
    y = av.nn.resize(image, 6, "nearest")
    assert y.dtype == np.uint8 and y.numpy()[0, :, 0].tolist() == [1, 1, 2, 2, 3, 3]
    assert av.nn.resize(image, 2, "nearest").numpy()[0, :, 0].tolist() == [1, 2]
    assert av.nn.resize(image, 2, "nearest-exact").numpy()[0, :, 0].tolist() == [1, 3]
    assert av.nn.resize(image, 2).dtype == np.float64


def test_one_size_for_all_dimensions_and_other_names():
    x = RNG.normal(size=(1, 2, 3, 4))
    want = av.nn.resize(x, (5, 5), "bilinear", data_format="NCHW").numpy()
    assert want.shape == (1, 2, 5, 5)
    assert (av.nn.resize(x, 5, "linear", data_format="NCHW").numpy() == want).all()
    volume = av.nn.resize(RNG.normal(size=(1, 2, 2, 2, 1)), 3, "trilinear", data_format="NDHWC")
    assert volume.shape == (1, 3, 3, 3, 1)


def test_what_does_not_fit_is_named():
    x = np.ones((1, 3, 4, 2))
    for call, words in (
        (lambda: av.nn.resize(x, (2, 2), "lanczos"), "method is one of nearest, nearest-exact, linear"),
        (lambda: av.nn.resize(x, (2, 2), "nearest", align_corners=True), "no meaning for the nearest"),
        (lambda: av.nn.resize(x, (2, 2), data_format="HWC"), "data_format is one of NHWC"),
        (lambda: av.nn.resize(x, (2,)), r"size \(2,\) does not fit x of shape \(1, 3, 4, 2\)"),
        (lambda: av.nn.resize(x, (2, 0)), "does not fit"),
        (lambda: av.nn.resize(x[:, :0], (2, 2)), "does not fit"),
        (lambda: av.nn.resize(x[0, 0], 3), "does not fit"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
