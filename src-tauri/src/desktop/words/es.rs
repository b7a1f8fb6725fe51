//! Spanish.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "Mostrar u ocultar Lantern",
    new_chat: "Nuevo chat",
    quick_entry: "Pregunta rápida",
    endpoint_at: "Endpoint en {address}",
    endpoint_failed: "El endpoint falló",
    endpoint_off: "Endpoint desactivado",
    no_downloads: "Sin descargas",
    one_download: "1 descarga: {state}",
    downloads: "{count} descargas: {state}",
    paused: "en pausa",
    no_model: "Ningún modelo en memoria",
    loading: "Cargando {model}",
    not_loaded: "No se pudo cargar {model}",
    free_memory: "Liberar su memoria",
    quit: "Salir de Lantern",
    download_done: "Descarga terminada",
    download_done_text: "{file} está en tu biblioteca.",
    download_failed: "La descarga falló",
    download_failed_text: "No se pudo descargar {file}. Lantern muestra el motivo.",
    answer_done: "La respuesta está lista",
    answer_failed: "La respuesta falló",
    took_seconds: "Tardó {seconds} segundos.",
    took_minutes: "Tardó {minutes} min {seconds} s.",
    ask: "Preguntar a Lantern",
    cannot_start: "Lantern no puede iniciarse",
    decimal_mark: ",",
};
