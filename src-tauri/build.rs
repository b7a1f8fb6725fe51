//! Declares the window's own commands, so that each must be allowed by a capability, and lets Tauri read its
//! configuration.
use std::path::Path;

/// Every command of `src/commands/`; the files in `capabilities/`, one for each kind of window, allow them one by one.
const COMMANDS: &[&str] = &[
    "list_conversations",
    "get_conversation",
    "open_conversation",
    "rename_conversation",
    "pin_conversation",
    "set_context_length",
    "delete_conversation",
    "select_branch",
    "find_messages",
    "folders",
    "create_folder",
    "rename_folder",
    "delete_folder",
    "move_conversation",
    "archive_conversation",
    "begin_temporary_chat",
    "export_conversations",
    "import_conversations",
    "send_message",
    "regenerate",
    "edit_message",
    "continue_answer",
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
    "attach_file",
    "attach_bytes",
    "conversation_files",
    "set_conversation_folders",
    "document_preview",
    "citation",
    "thumbnail",
    "knowledge",
    "add_knowledge_folder",
    "remove_knowledge_folder",
    "failed_files",
    "model_sees",
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
    "continue_calls",
    "open_link",
    "subscribe",
    "page_ready",
    "shell_events",
    "desktop_status",
    "machine",
    "open_chat_window",
    "show_in_main",
    "quick_hide",
    "quick_expand",
    "quick_show",
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
