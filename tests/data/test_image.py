"""Reading image files of all kinds, good and bad, and the network's input."""

import dataclasses
import warnings

import numpy as np
import pytest
from PIL import Image

from minissd.config import SSD300_VOC, TINY
from minissd.data import image as image_module
from minissd.data.image import RESIZES, image_size, network_input, read_image
from minissd.errors import InputError
from minissd.nn.fast.layout import is_channels_last


def save(tmp_path, picture, name="picture.png", **options):
    path = tmp_path / name
    picture.save(path, **options)
    return path


def test_rgb_comes_back_as_it_was(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    result = read_image(save(tmp_path, Image.fromarray(pixels)))
    np.testing.assert_array_equal(result, pixels)
    assert result.flags.writeable


def test_grey_and_black_and_white(tmp_path):
    grey = Image.new("L", (3, 2), 77)
    assert (read_image(save(tmp_path, grey)) == 77).all()
    assert (read_image(save(tmp_path, grey.convert("1"), "bw.png")) % 255 == 0).all()


def test_palette(tmp_path):
    picture = Image.new("RGB", (4, 4), (200, 10, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert read_image(save(tmp_path, picture, "p.gif"))[0, 0].tolist() == [200, 10, 30]


def test_transparent_pixels_lie_on_white(tmp_path):
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    picture.putpixel((1, 0), (200, 100, 0, 128))
    result = read_image(save(tmp_path, picture))
    assert result[0, 0].tolist() == [255, 255, 255]
    # Half covered: 200 * 128/255 + 255 * 127/255 = 227.4, and so on.
    np.testing.assert_allclose(result[0, 1], [227, 177, 127], atol=1)


def test_transparent_palette_gives_no_warning(tmp_path):
    picture = Image.new("P", (2, 2), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    path = save(tmp_path, picture, transparency=bytes([0, 255]))
    assert read_image(path)[0, 0].tolist() == [10, 20, 30]


def test_cmyk(tmp_path):
    picture = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # magenta and yellow ink: red
    result = read_image(save(tmp_path, picture, "c.tif"))
    assert result[0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    values = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)  # 65535 / 255 = 257 per step
    result = read_image(save(tmp_path, Image.fromarray(values)))
    assert result[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]


def test_floating_point_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"f\.tif: .* no agreed range \(save it with 8 bits\)$"):
        read_image(save(tmp_path, Image.new("F", (2, 2)), "f.tif"))


def test_camera_orientation_is_applied(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[image_module.EXIF_ORIENTATION] = 6  # shown after a quarter turn clockwise
    path = save(tmp_path, Image.fromarray(pixels), exif=exif)
    result = read_image(path)
    assert result.shape == (6, 4, 3)
    assert result[0, 3].tolist() == [255, 255, 255]  # the left top corner is now right
    assert image_size(path) == (4, 6)
    np.testing.assert_array_equal(read_image(path, upright=False), pixels)
    assert image_size(path, upright=False) == (6, 4)


def test_one_pixel(tmp_path):
    path = save(tmp_path, Image.new("RGB", (1, 1), (1, 2, 3)))
    assert read_image(path).tolist() == [[[1, 2, 3]]]


def test_header_of_a_giant_image_is_read_without_a_warning(tmp_path, monkeypatch):
    path = save(tmp_path, Image.new("L", (300, 200)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's own guard would warn or raise here
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).shape == (200, 300, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_too_many_pixels_are_refused(tmp_path, monkeypatch):
    path = save(tmp_path, Image.new("L", (300, 200)))
    monkeypatch.setattr(image_module, "MAX_PIXELS", 59_999)
    with pytest.raises(InputError, match=r"picture.png: .*300 x 200 pixels, the limit is 59999"):
        read_image(path)


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png"])
def test_cut_off_image(tmp_path, rng, name):
    path = save(tmp_path, Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), name)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=rf"{name}: the image cannot be decoded.*cut off"):
        read_image(path)


def test_not_an_image_missing_and_folder(tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"text.jpg: is not an image.*\(5 bytes\)"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(InputError, match=r"empty.jpg: is not an image.*\(0 bytes\)"):
        read_image(tmp_path / "empty.jpg")
    with pytest.raises(InputError, match=r"gone.jpg: there is no such image"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match=r"is a folder"):
        read_image(tmp_path)
    with pytest.raises(InputError, match=r"gone.jpg"):
        image_size(tmp_path / "gone.jpg")


def test_network_input_by_hand(rng):
    image = rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    x = network_input([image, image[:, ::-1]], SSD300_VOC)
    assert (x.shape, x.dtype) == ((2, 3, 300, 300), np.float32)
    for channel, mean in enumerate((123, 117, 104)):
        np.testing.assert_array_equal(x[0, channel], image[..., channel].astype(np.float32) - mean)
    np.testing.assert_array_equal(x[1], x[0][..., ::-1])


def test_network_input_in_bgr_and_scaled():
    image = np.zeros((8, 4, 3), np.uint8)
    image[..., 0] = 255  # red
    config = dataclasses.replace(TINY, channel_order="bgr")
    x = network_input([image], config)
    expected = [(0 - 127.5) / 64, (0 - 127.5) / 64, (255 - 127.5) / 64]
    np.testing.assert_allclose(x[0, :, 5, 5], expected, rtol=1e-6)


def test_every_channel_keeps_its_own_mean_and_the_pixels_stay_together(rng):
    image = rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    x = network_input([image, image[::-1]], dataclasses.replace(SSD300_VOC, channel_order="bgr"))
    for n, pixels in enumerate((image, image[::-1])):
        for place, (channel, mean) in enumerate([(2, 104), (1, 117), (0, 123)]):
            np.testing.assert_array_equal(x[n, place], pixels[..., channel].astype(np.float32) - mean)
    assert is_channels_last(x), "the engine need not copy it"


def test_a_resized_image_may_keep_its_fractions():
    """Two pixels 0 and 5 become four: 0, 3/4 * 0 + 1/4 * 5 = 1.25, 3.75, 5."""
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 1] = 5
    config = dataclasses.replace(TINY, image_size=4, mean_rgb=(1, 1, 1), pixel_scale=0.5)
    for way, row in (("opencv", [0, 1, 4, 5]), ("float", [0, 1.25, 3.75, 5]), ("pillow", [0, 1, 4, 5])):
        x = network_input([image], dataclasses.replace(config, resize=way))
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, np.broadcast_to((np.array(row) - 1) / 0.5, (1, 3, 4, 4)))


def test_an_image_of_the_right_size_has_no_fractions(rng):
    image = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    before = image.copy()
    inputs = [network_input([image], dataclasses.replace(TINY, resize=way)) for way in RESIZES]
    for other in inputs[1:]:
        np.testing.assert_array_equal(other, inputs[0])
    np.testing.assert_array_equal(image, before)


def test_the_mean_and_deviation_of_torchvision(rng):
    """It takes fractions of 255 less (.48235, .45882, .40784), and divides by 1/255: the same numbers."""
    image = rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    theirs = (image / 255 - [0.48235, 0.45882, 0.40784]) / (1 / 255)
    np.testing.assert_allclose(network_input([image], SSD300_VOC)[0], theirs.transpose(2, 0, 1), atol=1e-3)


def test_network_input_of_nothing():
    assert network_input([], TINY).shape == (0, 3, 256, 256)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), "cat.jpg"],
)
def test_network_input_refuses_what_is_no_image(bad):
    with pytest.raises(InputError, match=r"images\[1\]"):
        network_input([np.zeros((4, 4, 3), np.uint8), bad], TINY)
