//! Portuguese.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "Mostrar ou ocultar o Lantern",
    new_chat: "Novo chat",
    quick_entry: "Pergunta rápida",
    endpoint_at: "Endpoint em {address}",
    endpoint_failed: "O endpoint falhou",
    endpoint_off: "Endpoint desativado",
    no_downloads: "Nenhum download",
    one_download: "1 download: {state}",
    downloads: "{count} downloads: {state}",
    paused: "em pausa",
    no_model: "Nenhum modelo na memória",
    loading: "Carregando {model}",
    not_loaded: "Não foi possível carregar {model}",
    free_memory: "Liberar a memória",
    quit: "Sair do Lantern",
    download_done: "Download concluído",
    download_done_text: "{file} está na sua biblioteca.",
    download_failed: "O download falhou",
    download_failed_text: "Não foi possível baixar {file}. O Lantern mostra o motivo.",
    answer_done: "A resposta está pronta",
    answer_failed: "A resposta falhou",
    took_seconds: "Levou {seconds} segundos.",
    took_minutes: "Levou {minutes} min {seconds} s.",
    ask: "Perguntar ao Lantern",
    cannot_start: "O Lantern não pode iniciar",
    decimal_mark: ",",
};
