//! What the page may call: one command for each use case, one file for each feature. A command names its arguments,
//! calls one method of [`lantern_app::App`], and turns a failure into [`lantern_protocol::ErrorInfo`]. Nothing else.

pub mod access;
pub mod assistants;
pub mod chat;
pub mod conversations;
pub mod desktop;
pub mod events;
pub mod exchange;
pub mod folders;
pub mod knowledge;
pub mod library;
pub mod links;
pub mod models;
pub mod overflow;
pub mod receipts;
pub mod remotes;
pub mod search;
pub mod settings;
pub mod tools;

use lantern_protocol::ErrorInfo;
use tauri::ipc::Invoke;

/// What every command returns.
pub type Reply<T> = Result<T, ErrorInfo>;

/// The commands, to be given to Tauri's builder. `build.rs` declares the same names.
pub fn handler() -> impl Fn(Invoke) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        conversations::list_conversations,
        conversations::get_conversation,
        conversations::open_conversation,
        conversations::messages_after,
        conversations::rename_conversation,
        conversations::pin_conversation,
        conversations::set_context_length,
        conversations::delete_conversation,
        conversations::select_branch,
        conversations::find_messages,
        folders::folders,
        folders::create_folder,
        folders::rename_folder,
        folders::delete_folder,
        folders::move_conversation,
        folders::archive_conversation,
        folders::begin_temporary_chat,
        exchange::export_conversations,
        exchange::import_conversations,
        chat::send_message,
        chat::regenerate,
        chat::edit_message,
        chat::continue_answer,
        chat::stop_message,
        overflow::conversation_context,
        overflow::set_overflow,
        overflow::edit_summary,
        overflow::rewrite_summary,
        overflow::remove_summary,
        models::library,
        models::catalogue,
        models::import_model,
        models::delete_model,
        models::download_model,
        models::cancel_download,
        models::pause_download,
        models::resume_download,
        models::move_download,
        models::downloads,
        models::load_model,
        models::unload_model,
        models::model_state,
        search::search_models,
        search::repository,
        search::repository_fit,
        search::file_fit,
        search::curated_models,
        search::compare_models,
        search::stop_comparing,
        settings::get_settings,
        settings::update_settings,
        settings::get_status,
        access::api_keys,
        access::make_api_key,
        access::revoke_api_key,
        access::api_requests,
        remotes::remote_servers,
        remotes::add_remote_server,
        remotes::remove_remote_server,
        remotes::secrets_status,
        remotes::set_hub_token,
        library::removed_models,
        library::restore_model,
        library::model_details,
        library::template_diff,
        library::set_model_notes,
        library::verify_model,
        library::check_updates,
        library::disk_use,
        library::reclaim,
        library::library_folders,
        library::add_library_folder,
        library::remove_library_folder,
        knowledge::attach_file,
        knowledge::attach_bytes,
        knowledge::conversation_files,
        knowledge::set_conversation_folders,
        knowledge::document_preview,
        knowledge::citation,
        knowledge::thumbnail,
        knowledge::knowledge,
        knowledge::add_knowledge_folder,
        knowledge::remove_knowledge_folder,
        knowledge::failed_files,
        knowledge::model_sees,
        tools::tool_servers,
        tools::add_tool_server,
        tools::remove_tool_server,
        tools::enable_tool_server,
        tools::restart_tool_server,
        tools::sign_in_tool_server,
        tools::sign_out_tool_server,
        tools::ask_before_tool,
        tools::chosen_tools,
        tools::choose_tools,
        tools::tool_calls,
        tools::answer_tool_call,
        tools::continue_calls,
        assistants::assistants,
        assistants::save_assistant,
        assistants::duplicate_assistant,
        assistants::delete_assistant,
        assistants::export_assistant,
        assistants::import_assistant,
        assistants::choose_assistant,
        assistants::conversation_assistant,
        assistants::prompts,
        assistants::save_prompt,
        assistants::delete_prompt,
        receipts::receipts,
        receipts::save_receipts,
        receipts::replay_message,
        receipts::stop_replay,
        links::open_link,
        events::subscribe,
        desktop::page_ready,
        desktop::shell_events,
        desktop::desktop_status,
        desktop::machine,
        desktop::open_chat_window,
        desktop::show_in_main,
        desktop::quick_hide,
        desktop::quick_expand,
        desktop::quick_show,
    ]
}
