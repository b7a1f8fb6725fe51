use std::path::Path;

use lantern_engine::KvType;

use super::*;

/// What llama-bench answered to `-p 32 -n 4 -d 0,64 -r 1 -o json`.
const ANSWER: &str = include_str!("../../../../tests/data/llama-bench.json");

fn task() -> Task {
    Task {
        model: "model.gguf".into(),
        prompt: 32,
        generate: 4,
        depths: vec![0, 64],
        threads: 2,
        kv_type: KvType::F16,
        warm_up: true,
        keep_packed: false,
    }
}

fn other(program: impl AsRef<Path>) -> Other {
    Other { program: program.as_ref().to_owned(), flash_attention: true }
}

fn failure(result: Result<Round, CliError>) -> lantern_protocol::ErrorInfo {
    match result {
        Err(CliError::Failed(info)) => info,
        Err(error) => panic!("another error: {error:?}"),
        Ok(_) => panic!("it must fail"),
    }
}

#[test]
fn the_captured_answer_is_understood() {
    let tests = tests(&format!("a line of a driver\n{ANSWER}")).expect("it is an answer");
    let speed = |wanted| other("llama-bench").speed(&tests, wanted).expect("it was measured");
    assert_eq!(speed((32, 0, 0)), 58.2227);
    assert_eq!(speed((0, 4, 64)), 3.09543);
    let Err(CliError::Failed(info)) = other("llama-bench").speed(&tests, (512, 0, 0)) else {
        panic!("nobody measured 512");
    };
    assert!(info.code == "compare_output_unknown" && info.message.contains("-p 512 -n 0 -d 0"), "{info:?}");
}

#[test]
fn builds_without_samples_and_depth_are_understood() {
    let tests = tests(r#"[{"n_prompt": 16, "n_gen": 0, "avg_ts": 12.5}]"#).expect("it is an answer");
    assert_eq!(other("llama-bench").speed(&tests, (16, 0, 0)).expect("a speed"), 12.5);
}

#[test]
fn every_option_is_passed_on() {
    let said = |task: &Task| {
        let command = other("llama-bench").command(task);
        command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(said(&task()), "-m model.gguf -t 2 -p 32 -n 4 -d 0,64 -ctk f16 -ctv f16 -fa 1 -r 1 -o json");
    let cold = Task { depths: vec![0], warm_up: false, kv_type: KvType::F32, ..task() };
    assert_eq!(said(&cold), "-m model.gguf -t 2 -p 32 -n 4 -ctk f32 -ctv f32 -fa 1 -r 1 -o json --no-warmup");
}

#[test]
fn a_program_that_is_not_there() {
    let info = failure(other("/nowhere/llama-bench").run(&task()));
    assert_eq!(info.code, "compare_program_missing");
    assert!(
        info.message.contains("/nowhere/llama-bench") && info.next_step.contains("--compare"),
        "{info:?}"
    );
}

#[cfg(unix)]
mod with_a_program {
    use std::process::Command;

    use super::*;

    /// A program that does what a script says.
    fn run(script: &str) -> Result<Round, CliError> {
        let dir = tempfile::tempdir().expect("a directory");
        let (text, path) = (dir.path().join("text"), dir.path().join("bench"));
        std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).expect("it is written");
        // Another process makes the program: a child that this one starts just now, for another test, would inherit the
        // open file, and a program that somebody may still write to cannot be started.
        let copied = Command::new("sh")
            .args(["-c", "cp \"$0\" \"$1\" && chmod 755 \"$1\""])
            .args([&text, &path])
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "the program is there");
        other(&path).run(&task())
    }

    #[test]
    fn its_speeds_are_those_it_prints() {
        let round = run(&format!("echo noise >&2\ncat <<'END'\n{ANSWER}END")).expect("it answers");
        assert_eq!(round.reading, [(0, 58.2227), (64, 10.312)]);
        assert_eq!(round.writing, [(0, 24.3519), (64, 3.09543)]);
        assert!(round.seconds > 0.0);
    }

    #[test]
    fn its_last_words_are_told() {
        let info = failure(run("echo one >&2; for i in 2 3 4 5 6; do echo line $i >&2; done; exit 7"));
        assert_eq!(info.code, "compare_program_failed");
        assert!(info.message.contains("exit status: 7") && info.message.contains("line 6"), "{info:?}");
        assert!(!info.message.contains("one"), "only the last lines: {info:?}");
        let silent = failure(run("exit 1"));
        assert!(silent.message.contains("It said nothing."), "{silent:?}");
    }

    #[test]
    fn a_model_it_cannot_read_is_not_its_own_fault() {
        let complaint = "llama_bench: error: failed to load model 'model.gguf'";
        let info = failure(run(&format!("echo '['; echo \"{complaint}\" >&2; exit 1")));
        assert_eq!(info.code, "compare_model_unreadable");
        assert!(info.message.contains("could not read model.gguf"), "{info:?}");
    }

    #[test]
    fn a_kind_of_cache_it_does_not_know() {
        let info = failure(run("echo 'error: invalid parameter for argument: -ctk' >&2; exit 1"));
        assert_eq!(info.code, "compare_program_failed");
        assert!(info.next_step.contains("--kv-type"), "{info:?}");
    }

    #[test]
    fn an_answer_in_another_language() {
        for script in ["true", "echo hello", "echo '[{}]'", "echo '['", "echo '[]'"] {
            assert_eq!(failure(run(script)).code, "compare_output_unknown", "after {script}");
        }
        let never = r#"[{"n_prompt": 32, "n_gen": 0, "avg_ts": 0.0}]"#;
        assert_eq!(failure(run(&format!("echo '{never}'"))).code, "compare_output_unknown");
    }
}
