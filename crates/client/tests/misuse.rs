//! What the compiler refuses, and what it says: each file of `misuse/` is wrong in one place, and beside it stands the
//! message that its author reads. With `TRYBUILD=overwrite` the messages are written anew.
//!
//! The messages name what there is for names, so they are compared with all features on.
#![cfg(all(feature = "temporalio", feature = "envconfig"))]

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/misuse/wrong_*.rs");
}
