//! Fractions of whole numbers of limited length.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

/// Most bits of a numerator or denominator: some four thousand digits.
const MOST_BITS: u64 = 14_000;
/// Digits behind the point of a number that has no end.
const DIGITS: usize = 40;
/// Digits behind the point of one that has.
const EXACT_DIGITS: usize = 400;

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    value: BigRational,
    /// A root among its parts has no end and was rounded.
    is_rounded: bool,
}

impl From<BigRational> for Number {
    fn from(value: BigRational) -> Self {
        Self { value, is_rounded: false }
    }
}

type Result<T = Number> = std::result::Result<T, String>;

impl Number {
    /// Whole digits, digits behind the point, and a power of ten.
    pub(super) fn decimal(whole: &str, fraction: &str, exponent: i32) -> Result {
        let digits: BigInt =
            format!("0{whole}{fraction}").parse().map_err(|_| "a number cannot be read".to_owned())?;
        let places = i32::try_from(fraction.len()).map_err(|_| too_long())?;
        let shift = exponent.checked_sub(places).ok_or_else(too_long)?;
        let scale = ten(shift.unsigned_abs())?;
        let value = match shift >= 0 {
            true => BigRational::from(digits * scale),
            false => BigRational::new(digits, scale),
        };
        Self::from(value).limited()
    }

    fn limited(self) -> Result {
        let fits = |part: &BigInt| part.bits() <= MOST_BITS;
        if fits(self.value.numer()) && fits(self.value.denom()) { Ok(self) } else { Err(too_long()) }
    }

    fn with(&self, other: &Self, value: BigRational) -> Result {
        Self { value, is_rounded: self.is_rounded || other.is_rounded }.limited()
    }

    fn map(&self, value: BigRational) -> Self {
        Self { value, is_rounded: self.is_rounded }
    }

    pub(super) fn plus(&self, other: &Self) -> Result {
        self.with(other, &self.value + &other.value)
    }

    pub(super) fn minus(&self, other: &Self) -> Result {
        self.with(other, &self.value - &other.value)
    }

    pub(super) fn times(&self, other: &Self) -> Result {
        self.with(other, &self.value * &other.value)
    }

    pub(super) fn over(&self, other: &Self) -> Result {
        other.not_zero()?;
        self.with(other, &self.value / &other.value)
    }

    pub(super) fn rest(&self, other: &Self) -> Result {
        other.not_zero()?;
        self.with(other, &self.value % &other.value)
    }

    fn not_zero(&self) -> Result<()> {
        if self.value.is_zero() { Err("a division by zero has no value".into()) } else { Ok(()) }
    }

    pub(super) fn negated(&self) -> Self {
        self.map(-&self.value)
    }

    pub(super) fn power(&self, exponent: &Self) -> Result {
        if *exponent.value.denom() == BigInt::from(2) {
            let twice = exponent.times(&Self::from(BigRational::from(BigInt::from(2))))?;
            return self.power(&twice)?.root();
        }
        if !exponent.value.is_integer() {
            return Err("a power must be a whole number, or a half".into());
        }
        let power = exponent.value.to_integer().to_i32().ok_or_else(too_long)?;
        if power < 0 {
            self.not_zero()?;
        }
        // Known before it is computed: each bit of the base is there so many times.
        let bits = self.value.numer().bits().max(self.value.denom().bits()).saturating_sub(1);
        if bits.saturating_mul(u64::from(power.unsigned_abs())) > MOST_BITS {
            return Err(too_long());
        }
        if self.value.abs().is_one() || self.value.is_zero() {
            let is_odd = power % 2 != 0;
            let value = if is_odd { self.value.clone() } else { &self.value * &self.value };
            return Ok(self.map(if power == 0 { BigRational::one() } else { value }));
        }
        self.with(exponent, self.value.pow(power))
    }

    pub(super) fn root(&self) -> Result {
        if self.value.is_negative() {
            return Err("the root of a negative number is no real number".into());
        }
        let (numer, denom) = (self.value.numer().sqrt(), self.value.denom().sqrt());
        let exact = BigRational::new(numer, denom);
        if &exact * &exact == self.value {
            return Ok(self.map(exact));
        }
        // More digits than are shown, so that the last one shown is right.
        let scale = ten(u32::try_from(DIGITS + 10).map_err(|_| too_long())?)?;
        let shifted = self.value.numer() * &scale * &scale / self.value.denom();
        Self { value: BigRational::new(shifted.sqrt(), scale), is_rounded: true }.limited()
    }

    pub(super) fn factorial(&self) -> Result {
        let whole = self.value.is_integer() && !self.value.is_negative();
        let n = self.value.to_integer().to_u32().filter(|n| whole && *n <= 1200);
        let n = n.ok_or_else(|| "`!` takes a whole number from 0 to 1200".to_owned())?;
        let product = (1..=n).fold(BigInt::one(), |product, factor| product * factor);
        self.map(BigRational::from(product)).limited()
    }

    pub(super) fn abs(&self) -> Self {
        self.map(self.value.abs())
    }

    pub(super) fn floor(&self) -> Self {
        self.map(self.value.floor())
    }

    pub(super) fn ceil(&self) -> Self {
        self.map(self.value.ceil())
    }

    /// To so many places behind the point; halves go away from zero.
    pub(super) fn round(&self, places: Option<&Self>) -> Result {
        let places = match places {
            None => 0,
            Some(number) => {
                let whole = number.value.to_integer().to_i32().filter(|_| number.value.is_integer());
                whole.filter(|n| n.abs() <= 100).ok_or("`round` takes -100 to 100 places")?
            }
        };
        let scale = BigRational::from(ten(places.unsigned_abs())?);
        let scale = if places >= 0 { scale } else { scale.recip() };
        Ok(self.map((&self.value * &scale).round() / scale))
    }

    pub(super) fn is_less(&self, other: &Self) -> bool {
        self.value < other.value
    }

    /// In decimal digits: all of them if there is an end, else 40 and that they are rounded.
    pub(super) fn written(&self) -> String {
        match self.places().filter(|_| !self.is_rounded) {
            Some(places) => self.digits(places),
            None if self.is_rounded => format!("{} (rounded)", self.digits(DIGITS)),
            None => {
                let fraction = self.value.to_string();
                let exactly =
                    if fraction.len() <= 80 { format!("; exactly {fraction}") } else { String::new() };
                format!("{} (rounded{exactly})", self.digits(DIGITS))
            }
        }
    }

    /// How many digits behind the point the number has, if it has an end within reason.
    fn places(&self) -> Option<usize> {
        let mut rest = self.value.denom().clone();
        let mut count = |factor: u32| {
            let mut times = 0;
            while (&rest % factor).is_zero() {
                rest /= factor;
                times += 1;
            }
            times
        };
        let places = count(2).max(count(5));
        Some(places).filter(|places| rest.is_one() && *places <= EXACT_DIGITS)
    }

    fn digits(&self, places: usize) -> String {
        let scale = BigInt::from(10).pow(u32::try_from(places).unwrap_or(u32::MAX));
        let scaled = (&self.value * BigRational::from(scale)).round().to_integer();
        let digits = format!("{:0>width$}", scaled.abs().to_string(), width = places + 1);
        let (whole, behind) = digits.split_at(digits.len() - places);
        let behind = behind.trim_end_matches('0');
        let sign = if scaled.is_negative() { "-" } else { "" };
        let point = if behind.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{behind}")
    }
}

fn ten(power: u32) -> Result<BigInt> {
    if u64::from(power) * 10 / 3 > MOST_BITS {
        return Err(too_long());
    }
    Ok(BigInt::from(10).pow(power))
}

fn too_long() -> String {
    "the numbers become longer than 4000 digits".into()
}
