//! Commands about what is kept: folders of other programs, removing with an undo, disk use, checks, a model's page.

mod support;

use std::fs;
use std::path::PathBuf;

use support::{Home, golden};

const MODEL: &str = "llama_k256-Q4_K_M";

impl Home {
    /// A file as LM Studio keeps it, below what this home takes for the user's own folder.
    fn lm_studio(&self, model: &str) -> PathBuf {
        let path = self.dir.path().join(format!("user/.lmstudio/models/o/r/{model}.gguf"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(golden(&format!("{model}.gguf")), &path).unwrap();
        path
    }

    /// The program, which looks for other programs' folders in there.
    fn with_others(&self, args: &[&str]) -> serde_json::Value {
        let output = self
            .command(Self::program())
            .env_remove("LANTERN_OTHER_PROGRAMS")
            .env("HOME", self.dir.path().join("user"))
            .env("XDG_DATA_HOME", self.dir.path().join("user/data"))
            .env("XDG_CONFIG_HOME", self.dir.path().join("user/config"))
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

#[cfg(target_os = "linux")]
#[test]
fn folders_of_other_programs_are_used_until_they_are_left_alone() {
    let home = Home::new();
    let theirs = home.lm_studio(MODEL);
    let folder = theirs.ancestors().nth(3).unwrap().to_str().unwrap().to_owned();
    let of_lm_studio = |value: &serde_json::Value| {
        let all = value.as_array().unwrap().iter();
        all.filter(|folder| folder["owner"] == "lm_studio").cloned().collect::<Vec<_>>()
    };
    let folders = of_lm_studio(&home.with_others(&["list", "--folders", "--json"]));
    assert_eq!((folders.len(), &folders[0]["used"], &folders[0]["models"]), (1, &true.into(), &1.into()));
    let list = home.with_others(&["list", "--json"]);
    let model = list.as_array().unwrap().iter().find(|model| model["id"] == MODEL).unwrap();
    assert_eq!((&model["repo"], &model["source"]), (&"o/r".into(), &"in_place".into()));
    home.with_others(&["rm", &folder]);
    let folders = of_lm_studio(&home.with_others(&["list", "--folders", "--json"]));
    assert_eq!(folders[0]["used"], false);
    home.with_others(&["import", &folder]);
    let folders = of_lm_studio(&home.with_others(&["list", "--folders", "--json"]));
    assert_eq!(folders[0]["used"], true);
}

#[test]
fn a_removal_is_taken_back() {
    let home = Home::new();
    let copy = home.run(&["import", &golden("llama_k256-Q4_K_M.gguf"), "--copy"]).good();
    assert_eq!(copy.out.trim(), MODEL);
    let file = home.data().join(format!("models/{MODEL}.gguf"));
    let bytes = fs::read(&file).unwrap();
    let removed = home.run(&["rm", MODEL, "--json"]).good().json();
    assert_eq!(removed["bytes"], bytes.len());
    assert!(!file.exists());
    assert_eq!(home.run(&["rm", "--list", "--json"]).good().json()[0]["model"], MODEL);
    home.run(&["rm", "--undo"]).good();
    assert_eq!(fs::read(&file).unwrap(), bytes);
    home.run(&["rm", "--undo", MODEL]).failed("not_removed");
    home.run(&["rm", MODEL]).good();
    let reclaimable = home.run(&["du", "--json"]).good().json()["reclaimable"].clone();
    assert_eq!((&reclaimable[0]["kind"], &reclaimable[0]["bytes"]), (&"trash".into(), &bytes.len().into()));
    home.run(&["du", "--free", "trash"]).good();
    assert_eq!(home.run(&["rm", "--list", "--json"]).good().json(), serde_json::json!([]));
    assert_eq!(home.run(&["rm"]).code, Some(2), "what to remove is missing");
}

#[test]
fn verify_ends_with_1_when_bytes_are_wrong() {
    let home = Home::new();
    let folder = home.dir.path().join("models");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("m.gguf");
    fs::copy(golden("qwen2-Q4_0.gguf"), &file).unwrap();
    home.run(&["import", folder.to_str().unwrap()]).good();
    assert!(home.run(&["verify", "m"]).good().out.contains("recorded"));
    let right = home.run(&["verify", "--all", "--json"]).good().json();
    assert_eq!(right[0]["files"][0]["state"], "right");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let wrong = home.run(&["verify", "m"]).failed("wrong_bytes");
    assert!(wrong.out.contains("WRONG"), "{}", wrong.out);
    home.run(&["verify"]).code.filter(|code| *code == 2).expect("which model is missing");
    home.run(&["verify", "nobody"]).failed("model_not_found");
}

#[test]
fn a_models_page_and_the_time_it_takes_to_look() {
    let home = Home::new();
    let id = home.run(&["import", &golden("qwen3moe_k256-Q4_K_M.gguf")]).good().out.trim().to_owned();
    let page = home.run(&["show", &id, "--json"]).good().json();
    let (all, active) =
        (page["file"]["parameters"].as_u64().unwrap(), page["file"]["activeParameters"].as_u64());
    assert!(active.unwrap() < all, "{page}");
    assert_eq!(page["model"]["places"][0]["owner"], "file");
    let text = home.run(&["show", &id]).good().out;
    assert!(text.contains("of them in use") && text.contains("single files"), "{text}");
    let report = home.run(&["inspect", &id, "--json"]).good().json();
    assert_eq!(report["active_parameters"], active.unwrap());
    assert!(home.run(&["list", "--time"]).good().err.contains("once more in"));
    home.run(&["show", &id, "--diff"]).failed("no_original_template");
}
