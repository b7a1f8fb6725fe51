//! From a picture as a file to the pixels that a vision encoder wants, as Hugging Face's processors make them: three
//! channels without transparency, stretched to the size that the encoder wants ([`resize`]), scaled and shifted.
//!
//! Pictures are not turned by what a camera wrote into them, because those processors do not turn them either.

mod resize;

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ImageFormat, ImageReader, Limits, RgbImage, imageops};
use lantern_models::vision::VisionEncoder;
use sha2::{Digest, Sha256};

use crate::error::EngineError;

/// A picture with more pixels on a side is refused.
const MAX_SIDE: u32 = 16_384;
/// What decoding may allocate.
const MAX_BYTES: u64 = 1 << 30;

/// The longest side of a picture that another server gets: more, the models behind such servers do not look at.
const MOST_SENT: u32 = 2048;
/// Pixels up to which a picture is sent without loss.
const MOST_LOSSLESS: u32 = 1 << 20;
/// Of 100: no model tells the difference.
const JPEG_QUALITY: u8 = 90;

/// A picture as a file in memory.
#[derive(Debug)]
pub struct PictureFile {
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A decoded picture. Copies share its pixels, and are the same if those are.
#[derive(Clone)]
pub struct Picture {
    pixels: Arc<RgbImage>,
    hash: [u8; 32],
}

impl Picture {
    /// Decodes the bytes of a PNG, JPEG, WebP, GIF (its first picture) or BMP file.
    pub fn decode(bytes: &[u8]) -> Result<Self, EngineError> {
        let bad = |reason: String| EngineError::BadPicture { reason };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|error| bad(error.to_string()))?;
        let mut limits = Limits::no_limits();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let pixels = reader.decode().map_err(|error| bad(error.to_string()))?.into_rgb8();
        if pixels.is_empty() {
            return Err(bad("it has no pixels".to_owned()));
        }
        let mut hash = Sha256::new();
        hash.update(pixels.width().to_le_bytes());
        hash.update(pixels.as_raw());
        Ok(Picture { pixels: Arc::new(pixels), hash: hash.finalize().into() })
    }

    /// SHA-256 of its pixels: equal pictures have equal ones.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Its width and height in pixels.
    pub fn size(&self) -> [usize; 2] {
        let (width, height) = self.pixels.dimensions();
        [width as usize, height as usize]
    }

    /// The picture as a file for another server: a PNG, or a JPEG if it is large, of at most 2048 pixels on a side. It has what
    /// the pixels show and nothing else of the file they came from, such as where a photo was taken. Takes up to some tenths of
    /// a second.
    pub fn file(&self) -> Result<PictureFile, EngineError> {
        let bad = |error: image::ImageError| EngineError::BadPicture { reason: error.to_string() };
        let smaller = self.smaller();
        let pixels = smaller.as_ref().unwrap_or(&self.pixels);
        let mut bytes = Vec::new();
        if pixels.width() * pixels.height() <= MOST_LOSSLESS {
            pixels.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).map_err(bad)?;
            return Ok(PictureFile { media_type: "image/png", bytes });
        }
        JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(pixels).map_err(bad)?;
        Ok(PictureFile { media_type: "image/jpeg", bytes })
    }

    /// The picture with a longest side of [`MOST_SENT`], if its own is longer.
    fn smaller(&self) -> Option<RgbImage> {
        let (width, height) = self.pixels.dimensions();
        let longest = width.max(height);
        (longest > MOST_SENT).then(|| {
            let side = |of: u32| (of * MOST_SENT).div_ceil(longest);
            imageops::resize(&*self.pixels, side(width), side(height), FilterType::Triangle)
        })
    }

    /// What an encoder wants of it: `[3, height, width]`, and that width and height. Fails where the encoder takes no
    /// pictures of this size.
    pub fn prepared(&self, encoder: &dyn VisionEncoder) -> Result<(Vec<f32>, [usize; 2]), EngineError> {
        let target = encoder.target(self.size())?;
        let colours = encoder.colours();
        let stretched = resize::stretch(self.pixels.as_raw(), self.size(), target, colours.filter);
        let mut pixels = Vec::with_capacity(stretched.len());
        for channel in 0..3 {
            let (mean, deviation) = (colours.mean[channel], colours.deviation[channel]);
            let values = stretched.iter().skip(channel).step_by(3);
            pixels.extend(values.map(|&value| (f32::from(value) / 255.0 - mean) / deviation));
        }
        Ok((pixels, target))
    }
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [width, height] = self.size();
        write!(f, "Picture({width} by {height})")
    }
}

#[cfg(test)]
mod tests {
    use lantern_models::ModelError;
    use lantern_models::vision::{Colours, Filter, Projector};

    use super::*;

    /// Stretches everything to 8 by 2 pixels.
    struct Plain(Colours);

    impl VisionEncoder for Plain {
        fn projector(&self) -> Projector {
            Projector::Gemma3
        }

        fn target(&self, _size: [usize; 2]) -> Result<[usize; 2], ModelError> {
            Ok([8, 2])
        }

        fn colours(&self) -> &Colours {
            &self.0
        }

        fn grid(&self, _target: [usize; 2]) -> [usize; 2] {
            [1, 1]
        }

        fn width(&self) -> usize {
            1
        }

        fn levels(&self) -> usize {
            0
        }

        fn encode(&mut self, _pixels: &[f32], _target: [usize; 2]) -> Result<Vec<f32>, ModelError> {
            Ok(vec![0.0])
        }
    }

    #[test]
    fn a_file_for_others_shows_the_same_pixels_and_large_ones_fewer() {
        let waves = Picture::decode(include_bytes!("../../../tests/golden/vision/waves.png")).unwrap();
        let file = waves.file().unwrap();
        assert_eq!(file.media_type, "image/png");
        assert_eq!(Picture::decode(&file.bytes).unwrap(), waves);

        let wide = RgbImage::from_fn(4096, 1100, |x, y| image::Rgb([(x / 16) as u8, (y / 8) as u8, 90]));
        let wide = Picture { pixels: Arc::new(wide), hash: [0; 32] };
        let file = wide.file().unwrap();
        assert_eq!(file.media_type, "image/jpeg");
        let seen = Picture::decode(&file.bytes).unwrap();
        assert_eq!(seen.size(), [2048, 550]);
        let image::Rgb(colour) = *seen.pixels.get_pixel(1024, 275);
        assert!(colour.iter().zip([128, 68, 90]).all(|(a, b)| a.abs_diff(b) < 12), "{colour:?}");
    }

    #[test]
    fn what_is_no_picture_is_refused_with_a_reason() {
        let whole = include_bytes!("../../../tests/golden/vision/waves.png");
        assert!(Picture::decode(whole).is_ok());
        for bytes in [&b""[..], b"GIF89a", b"no picture at all", &whole[..200], &whole[..whole.len() / 2]] {
            let error = Picture::decode(bytes).expect_err("it is refused");
            assert_eq!(error.code(), "bad_picture");
            assert!(!error.to_string().is_empty() && !error.next_step().is_empty());
        }
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused_before_anything_is_allocated() {
        let mut huge = include_bytes!("../../../tests/golden/vision/waves.png").to_vec();
        // Width and height of a PNG's header; its checksum no longer fits either.
        huge[16..24].copy_from_slice(&[0, 0x7f, 0xff, 0xff, 0, 0x7f, 0xff, 0xff]);
        assert_eq!(Picture::decode(&huge).err().map(|error| error.code()), Some("bad_picture"));
    }

    #[test]
    fn a_picture_of_one_colour_stays_that() {
        let mut bytes = Vec::new();
        let red = RgbImage::from_pixel(7, 3, image::Rgb([255, 0, 51]));
        red.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).expect("it is written");
        let picture = Picture::decode(&bytes).expect("a picture");
        assert_eq!(picture.size(), [7, 3]);
        let colours = Colours { mean: [0.5; 3], deviation: [0.5, 0.5, 0.25], filter: Filter::Bilinear };
        let (pixels, target) = picture.prepared(&Plain(colours)).expect("it is prepared");
        assert_eq!(target, [8, 2]);
        for (channel, expected) in pixels.chunks_exact(16).zip([1.0, -1.0, -1.2]) {
            assert!(channel.iter().all(|x| (x - expected).abs() < 1e-6), "{channel:?}");
        }
    }
}
