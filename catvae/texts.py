"""Every word a visitor reads, in English and Spanish."""

from collections.abc import Mapping

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "intro": "# 🐱 Kitten Mixer\n"
        "Pick two cats, or bring your own: a variational autoencoder turns the first into the second. "
        "The six models differ in one number, **β**. Change the model and watch what each keeps of your cats.",
        "tab_mix": "Mix",
        "tab_compare": "Compare β",
        "tab_explore": "Explore",
        "tab_understand": "Understand",
        "cat_a": "Cat A",
        "cat_b": "Cat B",
        "examples": "Or click an example",
        "model": "Model",
        "model_info": "The smaller β, the closer to your cats; the larger, the smoother and more average",
        "model_v1": "v1 · β = 1 · the classic VAE, soft",
        "model_v2": "v2 · β = 2 · the smoothest, most average cats",
        "model_v3": "v3 · β = 1 · small network, 100 latents",
        "model_v4": "v4 · β = 0.5 · a little more detail",
        "model_v5": "v5 · β = 0.05 · fur and eyes of each cat",
        "model_v6": "v6 · β = 0.005 · closest to each cat",
        "steps": "Steps",
        "steps_info": "Faces from A to B",
        "result": "From A to B",
        "share": "{percent} % B",
        "face": "What the models see",
        "face_found": "Cat face found.",
        "face_of": "Cat face {number} of {count}.",
        "face_unsure": "Is this a cat? The mix will be one.",
        "face_none": "No cat face found, so this is the middle of the picture. Adjust it, or try another photo.",
        "face_whole": "The middle of the whole picture.",
        "next_face": "Next face",
        "whole": "Whole picture",
        "adjust": "Adjust by hand",
        "zoom": "Zoom",
        "right": "Right",
        "down": "Down",
        "turn": "Turn (°)",
        "credits": "Own photos work best from the front, with both eyes open to the camera. "
        "They are used for the mix only and deleted from the server within an hour.",
        "weights": "<small>Weights: {source}</small>",
        "missing": "Cat {cat} has no picture yet: upload one or click an example.",
        "unreadable": "The picture of cat {cat} cannot be read. Please try another file (JPEG, PNG, WebP, HEIC).",
        "too_large": "The picture of cat {cat} is over 40 megapixels. Please use a smaller one.",
        "too_heavy": "The picture of cat {cat} is over 15 MB. Please use a smaller one.",
        "too_narrow": "The picture of cat {cat} is too narrow to show a face. Please use another one.",
        "too_heavy_body": "That is over 15 MB. Please send a smaller picture.",
        "busy": "Busy right now: please try again in a few seconds.",
        "outside": "That is outside the picture: move the square back.",
        "bad_adjustment": "The adjustment must be of numbers: zoom 0.5 to 4, right and down -1 to 1, turn -180 to 180.",
        "unknown_model": "There is no such model: choose one of {names}.",
        "bad_steps": "The number of steps must be a whole number from {low} to {high}.",
    },
    "es": {
        "intro": "# 🐱 Mezclador de Gatitos\n"
        "Elige dos gatos, o trae los tuyos: un autocodificador variacional convierte el primero en el segundo. "
        "Los seis modelos difieren en un número, **β**. Cambia de modelo y mira qué conserva cada uno de tus gatos.",
        "tab_mix": "Mezclar",
        "tab_compare": "Comparar β",
        "tab_explore": "Explorar",
        "tab_understand": "Entender",
        "cat_a": "Gato A",
        "cat_b": "Gato B",
        "examples": "O toca un ejemplo",
        "model": "Modelo",
        "model_info": "Cuanto menor es β, más fiel a tus gatos; cuanto mayor, más suave y más promedio",
        "model_v1": "v1 · β = 1 · el VAE clásico, suave",
        "model_v2": "v2 · β = 2 · los gatos más suaves y promedio",
        "model_v3": "v3 · β = 1 · red pequeña, 100 latentes",
        "model_v4": "v4 · β = 0,5 · algo más de detalle",
        "model_v5": "v5 · β = 0,05 · pelaje y ojos de cada gato",
        "model_v6": "v6 · β = 0,005 · el más fiel a cada gato",
        "steps": "Pasos",
        "steps_info": "Caras de A a B",
        "result": "De A a B",
        "share": "{percent} % B",
        "face": "Lo que ven los modelos",
        "face_found": "Cara de gato encontrada.",
        "face_of": "Cara de gato {number} de {count}.",
        "face_unsure": "¿Es un gato? La mezcla lo será.",
        "face_none": "No se encontró ninguna cara de gato: este es el centro de la foto. Ajústalo o prueba con otra.",
        "face_whole": "El centro de la foto entera.",
        "next_face": "Otra cara",
        "whole": "Foto entera",
        "adjust": "Ajustar a mano",
        "zoom": "Zoom",
        "right": "Derecha",
        "down": "Abajo",
        "turn": "Giro (°)",
        "credits": "Tus fotos funcionan mejor de frente, con los dos ojos hacia la cámara. "
        "Solo se usan para la mezcla y se borran del servidor en menos de una hora.",
        "weights": "<small>Pesos: {source}</small>",
        "missing": "El gato {cat} aún no tiene foto: sube una o toca un ejemplo.",
        "unreadable": "No se puede leer la foto del gato {cat}. Prueba con otro archivo (JPEG, PNG, WebP, HEIC).",
        "too_large": "La foto del gato {cat} supera los 40 megapíxeles. Usa una más pequeña.",
        "too_heavy": "La foto del gato {cat} supera los 15 MB. Usa una más pequeña.",
        "too_narrow": "La foto del gato {cat} es demasiado estrecha para mostrar una cara. Usa otra.",
        "too_heavy_body": "Eso supera los 15 MB. Envía una foto más pequeña.",
        "busy": "Ahora hay mucha gente: vuelve a intentarlo en unos segundos.",
        "outside": "Eso queda fuera de la foto: vuelve a mover el cuadrado.",
        "bad_adjustment": "El ajuste debe ser de números: zoom 0,5 a 4, derecha y abajo -1 a 1, giro -180 a 180.",
        "unknown_model": "No existe ese modelo: elige uno de {names}.",
        "bad_steps": "Los pasos deben ser un número entero de {low} a {high}.",
    },
}


def language_of(headers: Mapping[str, str]) -> str:
    """The visitor's language, "es" or "en", from the browser's Accept-Language header."""
    header = headers.get("accept-language", "")
    for part in header.lower().split(","):  # browsers list them best first
        if part.strip()[:2] in TEXTS:
            return part.strip()[:2]
    return "en"
