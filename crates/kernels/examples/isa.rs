//! Prints the families of kernels that this processor can run, weakest first: `cargo run -p lantern-kernels --example isa`.

use lantern_kernels::Isa;

fn main() {
    let names: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
    println!("{}", names.join(" "));
}
