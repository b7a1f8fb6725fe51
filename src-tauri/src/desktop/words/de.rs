//! German.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "Lantern ein- oder ausblenden",
    new_chat: "Neuer Chat",
    quick_entry: "Schnelle Frage",
    endpoint_at: "Endpunkt auf {address}",
    endpoint_failed: "Endpunkt fehlgeschlagen",
    endpoint_off: "Endpunkt ist aus",
    no_downloads: "Keine Downloads",
    one_download: "1 Download: {state}",
    downloads: "{count} Downloads: {state}",
    paused: "angehalten",
    no_model: "Kein Modell im Speicher",
    loading: "{model} wird geladen",
    not_loaded: "{model} konnte nicht geladen werden",
    free_memory: "Speicher freigeben",
    quit: "Lantern beenden",
    download_done: "Download abgeschlossen",
    download_done_text: "{file} ist in Ihrer Bibliothek.",
    download_failed: "Download fehlgeschlagen",
    download_failed_text: "{file} konnte nicht geladen werden. Lantern zeigt den Grund.",
    answer_done: "Die Antwort ist da",
    answer_failed: "Die Antwort ist fehlgeschlagen",
    took_seconds: "Sie hat {seconds} Sekunden gedauert.",
    took_minutes: "Sie hat {minutes} min {seconds} s gedauert.",
    ask: "Lantern fragen",
    cannot_start: "Lantern kann nicht starten",
    decimal_mark: ",",
};
