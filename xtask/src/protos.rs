//! Compiles the Temporal API to one descriptor set, without comments, in an order that does not depend on the machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use protox::Compiler;

/// The folders below the published `protos` folder that imports are looked up in. Temporal Cloud's API and the private
/// messages of the SDK core lie in other folders and are thereby left out.
const INCLUDE_FOLDERS: [&str; 3] = ["api_upstream", "testsrv_upstream", "."];

/// The folders whose files are all wanted, together with everything they import.
const ROOT_FOLDERS: [&str; 2] = ["api_upstream/temporal", "testsrv_upstream/temporal"];

/// Files that are wanted though nothing imports them: errors travel as `google.rpc.Status`.
const ROOT_FILES: [&str; 1] = ["google/rpc/status.proto"];

/// Where the descriptor set lives, seen from this crate.
const DESCRIPTORS: &str = "../crates/proto/descriptors.bin";

/// Compiles the proto files below `directory` and replaces the descriptor set of the protocol crate.
pub(crate) fn write_descriptors(directory: &Path) -> Result<()> {
    let includes = INCLUDE_FOLDERS.map(|folder| directory.join(folder));
    let mut compiler = Compiler::new(&includes)?;
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files(root_files(directory)?)?;

    // The encoding made here, unlike one of the plain prost types, keeps custom options: among them the HTTP route of
    // each method.
    let descriptors = compiler.encode_file_descriptor_set();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(DESCRIPTORS);
    fs::write(&target, &descriptors).with_context(|| format!("cannot write {}", target.display()))?;
    println!("{}: {} bytes, {} files", target.display(), descriptors.len(), compiler.files().len());
    Ok(())
}

/// The files to compile, sorted, because a directory lists its entries in no particular order.
fn root_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = ROOT_FILES.iter().map(|file| directory.join(file)).collect();
    for folder in ROOT_FOLDERS {
        let found_before = files.len();
        collect_proto_files(&directory.join(folder), &mut files)?;
        ensure!(
            files.len() > found_before,
            "no .proto file below {folder} in {}; pass the `protos` folder of the crate temporalio-protos",
            directory.display()
        );
    }
    files.sort();
    Ok(files)
}

fn collect_proto_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect_proto_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
