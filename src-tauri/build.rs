//! Declares the window's own commands, so that each must be allowed by a capability, and lets Tauri read its
//! configuration.
use std::path::Path;

/// Every command of `src/commands/`; `capabilities/main.json` allows them one by one.
const COMMANDS: &[&str] = &[
    "list_conversations",
    "get_conversation",
    "rename_conversation",
    "pin_conversation",
    "set_context_length",
    "delete_conversation",
    "select_branch",
    "send_message",
    "regenerate",
    "edit_message",
    "stop_message",
    "library",
    "catalogue",
    "import_model",
    "delete_model",
    "download_model",
    "cancel_download",
    "pause_download",
    "resume_download",
    "move_download",
    "downloads",
    "load_model",
    "unload_model",
    "model_state",
    "search_models",
    "repository",
    "repository_fit",
    "file_fit",
    "curated_models",
    "compare_models",
    "stop_comparing",
    "get_settings",
    "update_settings",
    "get_status",
    "api_keys",
    "make_api_key",
    "revoke_api_key",
    "api_requests",
    "remote_servers",
    "add_remote_server",
    "remove_remote_server",
    "secrets_status",
    "set_hub_token",
    "removed_models",
    "restore_model",
    "model_details",
    "template_diff",
    "set_model_notes",
    "verify_model",
    "check_updates",
    "disk_use",
    "reclaim",
    "library_folders",
    "add_library_folder",
    "remove_library_folder",
    "tool_servers",
    "add_tool_server",
    "remove_tool_server",
    "enable_tool_server",
    "restart_tool_server",
    "sign_in_tool_server",
    "sign_out_tool_server",
    "ask_before_tool",
    "chosen_tools",
    "choose_tools",
    "tool_calls",
    "answer_tool_call",
    "continue_answer",
    "open_link",
    "subscribe",
];

/// Shown by a program that was built before its interface was.
const PLACEHOLDER: &str = "<!doctype html><meta charset=\"utf-8\"><title>Lantern</title>\
<h1>Lantern's interface is not built yet</h1><p>Close this window and run <code>cargo xtask run</code>.</p>\n";

fn main() {
    // The program embeds this folder: without it nothing compiles, with it stale the window shows an old interface.
    let page = Path::new("../ui/dist/index.html");
    if !page.exists() {
        std::fs::create_dir_all("../ui/dist").expect("ui/dist can be made");
        std::fs::write(page, PLACEHOLDER).expect("ui/dist can be written");
    }
    println!("cargo:rerun-if-changed=../ui/dist");

    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))
        .expect("the configuration is valid");
}
