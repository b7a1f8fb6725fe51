//! English.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "Show or hide Lantern",
    new_chat: "New chat",
    quick_entry: "Quick entry",
    endpoint_at: "Endpoint at {address}",
    endpoint_failed: "Endpoint failed",
    endpoint_off: "Endpoint is off",
    no_downloads: "No downloads",
    one_download: "1 download: {state}",
    downloads: "{count} downloads: {state}",
    paused: "paused",
    no_model: "No model in memory",
    loading: "Loading {model}",
    not_loaded: "{model} could not be loaded",
    free_memory: "Free its memory",
    quit: "Quit Lantern",
    download_done: "Download finished",
    download_done_text: "{file} is in your library.",
    download_failed: "Download failed",
    download_failed_text: "{file}: {reason}",
    answer_done: "The answer is there",
    answer_failed: "The answer failed",
    took_seconds: "It took {seconds} seconds.",
    took_minutes: "It took {minutes} min {seconds} s.",
    ask: "Ask Lantern",
    cannot_start: "Lantern cannot start",
    decimal_mark: ".",
};
