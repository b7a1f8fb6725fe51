//! `lantern bench` with a tiny model of random weights, alone and beside a program that only pretends to measure.

mod support;

use support::{Home, golden};

#[test]
fn bench_measures_and_names_its_figures() {
    let home = Home::new();
    let model = golden("llama_k256-Q4_K_M.gguf");
    let args = ["bench", "--model", &model, "-p", "32", "-n", "8", "-t", "2", "-d", "0,4", "-r", "2"];
    let report = home.run(&[&args[..], &["--json", "--kv-type", "f32"]].concat()).good().json();
    for key in [
        "prefill_tokens_per_second",
        "decode_tokens_per_second",
        "load_seconds",
        "first_token_seconds",
        "peak_rss_bytes",
    ] {
        assert!(report[key].as_f64().is_some_and(|value| value > 0.0), "{key} in {report}");
    }
    assert_eq!((&report["options"]["kv_type"], &report["threads"]), (&"f32".into(), &2.into()));
    assert!(report["isa"].is_string(), "{report}");
    let speeds = report["speeds"].as_array().expect("a list");
    assert_eq!(speeds.iter().map(|speed| speed["depth"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(4)]);
    assert!(speeds.iter().all(|speed| speed["decode_samples"].as_array().is_some_and(|all| all.len() == 2)));

    let told = home.run(&args).good().out;
    for words in ["tokens/s", "writing 8 behind 4", "kernels: ", "cache"] {
        assert!(told.contains(words), "no {words} in {told}");
    }
}

#[test]
fn options_that_make_no_sense_are_usage_errors() {
    let home = Home::new();
    for wrong in [
        &["--kv-type", "f8"][..],
        &["-d", "0,many"],
        &["--flash-attn", "on"],
        &["--compare", "x", "--no-warm-up"],
    ] {
        let done = home.run(&[&["bench", "--model", "x"], wrong].concat());
        assert_eq!(done.code, Some(2), "{wrong:?}: {}", done.err);
    }
}

#[cfg(unix)]
mod beside_another {
    use std::process::Command;

    use super::*;

    /// What llama-bench answered to `-p 32 -n 4 -d 0,64 -r 1 -o json`.
    const ANSWER: &str = include_str!("data/llama-bench.json");

    /// A program that gives that answer, and the one to the short errand.
    fn pretender(home: &Home) -> String {
        let short =
            ANSWER.replace("\"n_prompt\": 32", "\"n_prompt\": 8").replace("\"n_gen\": 4", "\"n_gen\": 1");
        let answer = home.file("answer.json", ANSWER.as_bytes());
        let short = home.file("short.json", short.as_bytes());
        let asked = home.dir.path().join("asked");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {}\nsleep 0.05\ncase \"$*\" in *\"-p 8 \"*) cat {short};; *) cat {answer};; esac\n",
            asked.display()
        );
        let (text, path) = (home.file("text", script.as_bytes()), home.dir.path().join("pretender"));
        // Made by another process, because a child started meanwhile would inherit the file while it is open, and a
        // program that somebody may still write to cannot be started.
        let copy = ["-c", "cp \"$0\" \"$1\" && chmod 755 \"$1\""];
        assert!(Command::new("sh").args(copy).arg(text).arg(&path).status().unwrap().success());
        path.display().to_string()
    }

    #[test]
    fn ratios_come_from_rounds_in_turns() {
        let home = Home::new();
        let (model, program) = (golden("llama_k256-Q4_K_M.gguf"), pretender(&home));
        let args = ["bench", "--model", &model, "-p", "32", "-n", "4", "-d", "0,64", "-t", "2", "-r", "2"];
        let done = home.run(&[&args[..], &["--compare", &program, "--json"]].concat()).good();
        let report = done.json();
        let figure = |name: &str| {
            let figures = report["figures"].as_array().unwrap();
            figures
                .iter()
                .find(|figure| figure["name"] == name)
                .unwrap_or_else(|| panic!("{name} in {report}"))
        };
        for (name, theirs) in [
            ("reading 32", 58.2227),
            ("reading 32 behind 64", 10.312),
            ("writing 4", 24.3519),
            ("writing 4 behind 64", 3.09543),
        ] {
            let figure = figure(name);
            assert_eq!(figure["theirs"]["samples"], serde_json::json!([theirs, theirs]), "{name}");
            let ratio = figure["ours"]["median"].as_f64().unwrap() / theirs;
            assert!((figure["ratio_of_medians"].as_f64().unwrap() / ratio - 1.0).abs() < 1e-9, "{figure}");
            assert_eq!(figure["ratios"]["samples"].as_array().unwrap().len(), 2, "{figure}");
        }
        let whole = figure("whole process, 8 in, 1 out");
        assert!(whole["theirs"]["lowest"].as_f64().unwrap() >= 0.05 && whole["unit"] == "seconds", "{whole}");
        if cfg!(target_os = "linux") {
            assert!(figure("peak memory")["ours"]["median"].as_f64().unwrap() > 1e6);
        }
        assert_eq!((&report["rounds"], &report["threads"]), (&2.into(), &2.into()));
        assert!(done.err.contains("round 2 of 2"), "no progress: {}", done.err);

        let asked = std::fs::read_to_string(home.dir.path().join("asked")).unwrap();
        let asked: Vec<&str> = asked.lines().collect();
        assert_eq!(asked.len(), 4, "{asked:?}");
        assert!(
            asked[0].contains("-t 2 -p 32 -n 4 -d 0,64 ") && asked[1].contains("-p 8 -n 1 "),
            "{asked:?}"
        );

        let table = home.run(&[&args[..], &["--compare", &program]].concat()).good().out;
        for words in ["pretender", "round by round", "writing 4 behind 64", "whole process", "58.2 tokens/s"]
        {
            assert!(table.contains(words), "no {words} in {table}");
        }
    }

    #[test]
    fn failures_say_whose_they_are() {
        let home = Home::new();
        let (model, program) = (golden("llama_k256-Q4_K_M.gguf"), pretender(&home));
        let compare = |program: &str, more: &[&str]| {
            let args = ["bench", "--model", &model, "-p", "32", "-n", "4", "-r", "1", "--compare", program];
            home.run(&[&args[..], more].concat())
        };
        compare("/nowhere/llama-bench", &[]).failed("compare_program_missing");
        compare(&program, &["-d", "7"]).failed("compare_output_unknown");
        // Of our own process: the tiny model has a context of 2048 tokens.
        let ours = compare(&program, &["-d", "4096"]).failed("context_overflow");
        assert!(ours.err.contains("2048"), "{}", ours.err);
        let nothing = ["bench", "--model", &model, "-p", "0", "-n", "0", "--compare", &program];
        home.run(&nothing).failed("nothing_to_compare");
    }
}
