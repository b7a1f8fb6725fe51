//! Commands about files: list, import, rm, inspect, catalogue, doctor; and how every command fails.

mod support;

use std::fs;
use std::io::Read;

use lantern_gguf::{GgufFile, GgufWriter, Value};
use support::{Home, golden};

#[test]
fn an_empty_library_says_how_to_fill_it_and_keeps_standard_output_clean() {
    let home = Home::new();
    let list = home.run(&["list"]).good();
    assert_eq!(list.out, "");
    assert!(list.err.contains("lantern pull"), "{}", list.err);
    assert_eq!(home.run(&["list", "--json"]).good().json(), serde_json::json!([]));
}

#[test]
fn a_file_comes_into_the_library_and_leaves_it() {
    let home = Home::new();
    let theirs = golden("qwen2-Q4_0.gguf");
    assert_eq!(home.run(&["import", &theirs]).good().out, "qwen2-Q4_0\n");
    assert_eq!(home.run(&["import", &golden("gemma3-Q8_0.gguf"), "--copy"]).good().out, "gemma3-Q8_0\n");
    let list = home.run(&["list", "--json"]).good().json();
    let facts: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["id"].as_str().unwrap(), m["source"].as_str().unwrap()))
        .collect();
    assert_eq!(facts, [("gemma3-Q8_0", "imported"), ("qwen2-Q4_0", "in_place")]);
    assert_eq!(list[1]["architecture"], "qwen2");
    let table = home.run(&["list"]).good().out;
    assert!(table.lines().count() == 3 && table.contains("gemma3-Q8_0"), "{table}");

    home.run(&["rm", "qwen2"]).good();
    home.run(&["rm", "gemma3-Q8_0"]).good();
    assert!(fs::exists(&theirs).unwrap(), "rm deleted somebody else's file");
    assert_eq!(fs::read_dir(home.data().join("models")).unwrap().count(), 0);
    home.run(&["rm", "qwen2"]).failed("model_not_found");
}

#[test]
fn every_failure_has_a_code_a_cause_and_a_next_step() {
    let home = Home::new();
    let text = home.file("notes.gguf", b"these are my notes");
    home.run(&["import", &text]).failed("not_gguf");
    home.run(&["inspect", &text]).failed("not_gguf");
    home.run(&["run", "/no/such/file.gguf", "hello"]).failed("file_not_found");
    let absent = home.run(&["run", "smollm2", "hello"]).failed("model_not_found");
    assert!(absent.err.contains("lantern pull smollm2"), "{}", absent.err);
    assert_eq!(absent.out, "");
    home.run(&["pull", "../../etc/passwd"]).failed("unsafe_name");
    home.run(&["pull", "owner/name"]).failed("hub_unreachable");
    for wrong in
        [&["frobnicate"][..], &["run"], &["bench"], &["logits", "--model", "x", "--ids", "one", "--out", "y"]]
    {
        assert_eq!(home.run(wrong).code, Some(2), "{wrong:?} is wrong usage");
    }
}

#[test]
fn inspect_shows_what_the_file_holds() {
    let home = Home::new();
    let path = golden("llama_k256-Q4_K_M.gguf");
    let report = home.run(&["inspect", &path, "--json"]).good().json();
    assert_eq!(report["architecture"], "llama");
    assert_eq!(report["problems"], serde_json::json!([]));
    let file = GgufFile::open(path.as_ref()).unwrap();
    let types = report["types"].as_array().unwrap();
    let tensors: u64 = types.iter().map(|share| share["tensors"].as_u64().unwrap()).sum();
    assert_eq!(tensors, file.tensors().len() as u64);
    assert!(
        types.iter().any(|share| share["type"] == "Q4_K")
            && types.iter().any(|share| share["type"] == "Q6_K"),
        "{types:?}"
    );
    assert_eq!(report["tokenizer"]["vocab_size"], 512);
    assert!(report["memory"]["total_bytes"].as_u64().unwrap() > report["file_bytes"].as_u64().unwrap());
    let text = home.run(&["inspect", &path, "--metadata"]).good().out;
    assert!(text.contains("chat template") && text.contains("general.architecture = llama"), "{text}");
}

#[test]
fn inspect_names_what_this_version_cannot_do() {
    let home = Home::new();
    let original = GgufFile::open(golden("qwen2-F32.gguf").as_ref()).unwrap();
    let mut other = GgufWriter::copy_of(&original).unwrap();
    other.metadata.set("general.architecture", Value::String("futuristic".into()));
    let path = home.file("other.gguf", &other.finish());
    let report = home.run(&["inspect", &path, "--json"]).good().json();
    assert_eq!(report["problems"][0]["code"], "unknown_architecture", "{}", report["problems"]);
    home.run(&["run", &path, "hello"]).failed("unknown_architecture");

    let mut unread = GgufWriter::copy_of(&original).unwrap();
    unread.metadata.set("qwen2.attention.sideways", Value::U32(3));
    let path = home.file("unread.gguf", &unread.finish());
    let text = home.run(&["inspect", &path]).good().out;
    assert!(text.contains("qwen2.attention.sideways"), "{text}");
}

#[test]
fn the_catalogue_lists_the_starter_first() {
    let home = Home::new();
    let entries = home.run(&["catalogue", "--json"]).good().json();
    assert_eq!(entries[0]["file"], lantern_hub::STARTER.file);
    assert!(entries[0]["installed"].is_null());
    assert_eq!(home.run(&["catalogue"]).good().out.lines().count(), 1 + entries.as_array().unwrap().len());
}

#[test]
fn doctor_finds_nothing_wrong_with_a_new_home_and_names_what_is_broken() {
    let home = Home::new();
    let findings = home.run(&["doctor", "--json"]).good().json();
    let state = |check: &str| {
        findings.as_array().unwrap().iter().find(|f| f["check"] == check).map(|f| f["state"].clone())
    };
    for check in ["version", "processor", "data", "database"] {
        assert_eq!(state(check), Some("good".into()), "{check}: {findings}");
    }
    assert_eq!(state("models"), Some("attention".into()));
    assert_eq!(state("hub"), None, "doctor asked the network without --online");
    home.run(&["doctor", "--online"]).failed("doctor_found_problems");

    // A file where the data directory should be.
    let broken = Home::new();
    fs::write(broken.data(), b"in the way").unwrap();
    let report = broken.run(&["doctor"]).failed("doctor_found_problems");
    assert!(report.out.contains("BROKEN  data") && report.out.contains("LANTERN_HOME"), "{}", report.out);
}

#[test]
fn a_reader_that_leaves_early_causes_no_panic() {
    let home = Home::new();
    let mut child = home.spawn(&["catalogue"]);
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(child.wait().unwrap().code().is_some(), "it died of a signal");
    assert!(!err.contains("panicked"), "{err}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_program_links_no_window_toolkit() {
    let out = std::process::Command::new("ldd").arg(Home::program()).output().unwrap();
    let libraries = String::from_utf8_lossy(&out.stdout).to_lowercase();
    assert!(libraries.contains("libc"), "ldd said nothing: {libraries}");
    for toolkit in ["gtk", "webkit", "gdk", "libx11", "wayland"] {
        assert!(!libraries.contains(toolkit), "it links {toolkit}: {libraries}");
    }
}
