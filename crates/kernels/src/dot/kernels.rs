//! The entry points of an instruction set, declared by one macro: functions that enable its features and become one piece
//! with what is written over [`Simd`](super::simd::Simd), and the table of types.

/// The kernels of an instruction set: entry points that enable its features, and the table of types.
macro_rules! kernels {
    ($simd:ty, $features:literal) => {
        crate::dot::kernels::kernels!($simd, $features, None);
    };
    ($simd:ty, $features:literal, $pair:expr) => {
        use lantern_gguf::GgmlType;
        use lantern_gguf::blocks::Affine;

        use crate::dot::layouts::{self, Layout};
        use crate::dot::{Columns, Kernel, Panel, ROWS, TileBlocks, TileKernel, direct, panel};
        use crate::packed::Packing;

        /// The kernels of a type.
        pub fn kernel(packing: Packing) -> Option<Kernel> {
            Some(match packing.ty {
                GgmlType::Q4_0 => of::<layouts::Q4_0>(),
                GgmlType::Q4_1 => of::<layouts::Q4_1>(),
                GgmlType::Q5_0 => of::<layouts::Q5_0>(),
                GgmlType::Q5_1 => of::<layouts::Q5_1>(),
                GgmlType::Q8_0 => of::<layouts::Q8_0>(),
                GgmlType::Q2K => of::<layouts::Q2K>(),
                GgmlType::Q3K => of::<layouts::Q3K>(),
                GgmlType::Q4K => of::<layouts::Q4K>(),
                GgmlType::Q5K => of::<layouts::Q5K>(),
                GgmlType::Q6K => of::<layouts::Q6K>(),
                GgmlType::IQ4NL => of::<layouts::IQ4NL>(),
                GgmlType::IQ4XS => of::<layouts::IQ4XS>(),
                GgmlType::MXFP4 => of::<layouts::MXFP4>(),
                _ => return None,
            })
        }

        fn of<L: Layout>() -> Kernel {
            let most_rows = direct::most_rows(<$simd as crate::dot::simd::Simd>::LANES);
            let direct = Some(crate::dot::Direct { multiply: multiply::<L>, most_rows });
            let tiles = TileKernel { packing: L::PACKING, fill: fill::<L>, direct };
            Kernel { form: L::PACKING.form, tiles: Some(tiles), columns, pair: $pair, registers: None }
        }

        /// # Safety
        /// As [`Kernel`] says.
        #[target_feature(enable = $features)]
        unsafe fn fill<L: Layout>(_: &Packing, tile: TileBlocks, to: &mut Panel) {
            // SAFETY: passed on.
            unsafe { panel::fill::<$simd, L>(tile, to) }
        }

        /// # Safety
        /// As [`Kernel`] says.
        #[target_feature(enable = $features)]
        unsafe fn columns(
            form: Affine,
            panel: &Panel,
            x: Columns<'_>,
            rows: &[u32],
            sums: &mut [[f32; ROWS]],
        ) {
            // SAFETY: passed on.
            unsafe { panel::columns::<$simd>(form, panel, x, rows, sums) }
        }

        /// # Safety
        /// As [`Kernel`] says.
        #[target_feature(enable = $features)]
        unsafe fn multiply<L: Layout>(
            tile: TileBlocks,
            x: Columns<'_>,
            rows: &[u32],
            sums: &mut [[f32; ROWS]],
        ) {
            // SAFETY: passed on.
            unsafe { direct::multiply::<$simd, L>(tile, x, rows, sums) }
        }
    };
}
pub(super) use kernels;
