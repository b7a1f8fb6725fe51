//! French.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "Afficher ou masquer Lantern",
    new_chat: "Nouveau chat",
    quick_entry: "Question rapide",
    endpoint_at: "Point d’accès sur {address}",
    endpoint_failed: "Échec du point d’accès",
    endpoint_off: "Point d’accès désactivé",
    no_downloads: "Aucun téléchargement",
    one_download: "1 téléchargement : {state}",
    downloads: "{count} téléchargements : {state}",
    paused: "suspendu",
    no_model: "Aucun modèle en mémoire",
    loading: "Chargement de {model}",
    not_loaded: "{model} n’a pas pu être chargé",
    free_memory: "Libérer sa mémoire",
    quit: "Quitter Lantern",
    download_done: "Téléchargement terminé",
    download_done_text: "{file} est dans votre bibliothèque.",
    download_failed: "Échec du téléchargement",
    download_failed_text: "{file} n’a pas pu être téléchargé. Lantern indique pourquoi.",
    answer_done: "La réponse est prête",
    answer_failed: "La réponse a échoué",
    took_seconds: "Elle a pris {seconds} secondes.",
    took_minutes: "Elle a pris {minutes} min {seconds} s.",
    ask: "Demander à Lantern",
    cannot_start: "Lantern ne peut pas démarrer",
    decimal_mark: ",",
};
