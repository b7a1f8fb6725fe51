//! What the kernels need of an instruction set: vectors that hold one number for each of `LANES` rows of a tile.
//!
//! Implementations are `inline(always)` and carry no target feature themselves: they become part of the entry points
//! in `kernels`, which do. Pointers move by `wrapping_add`, because every address is checked by arithmetic at the edge
//! ([`super::Columns::pointers`], the tile's length) and not by each step.

/// Weights of `H` vectors of rows: at hand, or where they are loaded from.
pub trait Fours<S: Simd, const H: usize>: Copy {
    /// The `i`-th four columns of vector `h`.
    ///
    /// # Safety
    /// As [`Simd::dot`].
    unsafe fn four(self, h: usize, i: usize) -> S::I;
}

impl<S: Simd, const W: usize, const H: usize> Fours<S, H> for [[S::I; W]; H] {
    #[inline(always)]
    unsafe fn four(self, h: usize, i: usize) -> S::I {
        self[h][i]
    }
}

/// Work that can be done between the steps of other work.
pub trait Between {
    /// Does part `index` of `count` about equal ones.
    ///
    /// # Safety
    /// As the other work's.
    unsafe fn part(&mut self, index: usize, count: usize);
}

/// No work.
pub struct Nothing;

impl Between for Nothing {
    #[inline(always)]
    unsafe fn part(&mut self, _: usize, _: usize) {}
}

/// Vectors of an instruction set.
///
/// # Safety
/// Every function wants the instruction set of the implementor, and readable or writable memory where it says so.
pub unsafe trait Simd: Copy {
    /// Rows in a vector: 8 or 16.
    const LANES: usize;
    /// A 32-bit integer, or four bytes, for each row.
    type I: Copy;
    /// A float for each row.
    type F: Copy;

    /// Asks for `len` bytes from `start` on, which need not exist: a prefetch never faults.
    unsafe fn prefetch(start: *const u8, len: usize);

    unsafe fn zero() -> Self::I;
    /// Four bytes for each row.
    unsafe fn load(from: *const u8) -> Self::I;
    unsafe fn store(to: *mut u8, v: Self::I);
    /// A byte for each row, to 32 bits.
    unsafe fn load_bytes(from: *const u8) -> Self::I;
    unsafe fn splat_bytes(v: u8) -> Self::I;
    unsafe fn splat(v: i32) -> Self::I;
    unsafe fn and(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn or(a: Self::I, b: Self::I) -> Self::I;
    /// Bits move to the left, out of 16 and into nothing; likewise to the right.
    unsafe fn left16<const BITS: u32>(v: Self::I) -> Self::I;
    unsafe fn right16<const BITS: u32>(v: Self::I) -> Self::I;
    unsafe fn left32<const BITS: u32>(v: Self::I) -> Self::I;
    unsafe fn right32<const BITS: u32>(v: Self::I) -> Self::I;
    /// As `right32`, bringing the sign along.
    unsafe fn right_signed<const BITS: u32>(v: Self::I) -> Self::I;
    unsafe fn sub32(a: Self::I, b: Self::I) -> Self::I;
    /// 2^(e − 128) for each e from 0 to 254.
    unsafe fn power_of_two(e: Self::I) -> Self::F;
    /// The bytes of each row's four that `which` names for 32 bits; 0x80 gives zero. See [`lowest`] and [`highest`].
    unsafe fn pick(v: Self::I, which: &[u8; 16]) -> Self::I;
    /// For each byte below 16, the byte of the table at that place.
    unsafe fn look_up(table: &[u8; 16], v: Self::I) -> Self::I;

    unsafe fn zero_f() -> Self::F;
    unsafe fn load_f(from: *const f32) -> Self::F;
    unsafe fn store_f(to: *mut f32, v: Self::F);
    unsafe fn splat_f(v: f32) -> Self::F;
    /// A half float for each row.
    unsafe fn load_halves(from: *const u8) -> Self::F;
    /// Two half floats for each row: all first ones, all second ones.
    unsafe fn load_two_halves(from: *const u8) -> (Self::F, Self::F);
    unsafe fn to_f(v: Self::I) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once.
    unsafe fn mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    unsafe fn negate(v: Self::F) -> Self::F;

    /// Σ q·x over `4 W` columns of each row, for `H` vectors of rows and `N` columns of activations: `q` holds unsigned
    /// integers below 2^BITS, each `x` leads to `4 W` signed bytes between −127 and 127.
    unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        q: [[Self::I; W]; H],
        x: [*const i8; N],
    ) -> [[Self::I; N]; H];

    /// As [`Simd::dot`], and all of `other`. A product waits for the one before it in its sum: with vectors so long that few sums
    /// fit into registers, some of the other work is done after each step, because a processor does not look ahead far enough to
    /// find it.
    #[inline(always)]
    unsafe fn dot_and<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        q: impl Fours<Self, H>,
        x: [*const i8; N],
        other: &mut impl Between,
    ) -> [[Self::I; N]; H] {
        // SAFETY: the caller's promises.
        unsafe {
            other.part(0, 1);
            let mut weights = [[Self::zero(); W]; H];
            for h in 0..H {
                for i in 0..W {
                    weights[h][i] = q.four(h, i);
                }
            }
            Self::dot::<BITS, W, N, H>(weights, x)
        }
    }
}

/// Byte `j` of each row, as the lowest of 32 bits: for [`Simd::pick`].
#[inline(always)]
pub fn lowest(j: usize) -> &'static [u8; 16] {
    static TABLES: [[u8; 16]; 4] = tables(0);
    &TABLES[j]
}

/// Byte `j` of each row, as the highest of 32 bits, from where it can be moved down with its sign.
#[inline(always)]
pub fn highest(j: usize) -> &'static [u8; 16] {
    static TABLES: [[u8; 16]; 4] = tables(3);
    &TABLES[j]
}

const fn tables(place: usize) -> [[u8; 16]; 4] {
    let mut tables = [[0x80; 16]; 4];
    let mut i = 0;
    while i < 16 {
        tables[i / 4][4 * (i % 4) + place] = (4 * (i % 4) + i / 4) as u8;
        i += 1;
    }
    tables
}
