"""Every word a visitor reads, in English and Spanish."""

from collections.abc import Mapping

from catvae.lesson import LESSON

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
        "morph": "Morph from cat A to cat B",
        "play": "Play",
        "pause": "Pause",
        "save_png": "Strip (PNG)",
        "save_gif": "GIF",
        "save_webp": "WebP",
        "save_mp4": "Video (MP4)",
        "compare_intro": "Your two cats through all six models at once, the smallest β on top. Click a row to open it.",
        "compare_sentence": "Look down a column: as β grows, the fur goes first, then the eyes, then the cat, until what "
        "is left is an average kitten in a similar pose. KL is what the latents say about a cat, in nats; PSNR how "
        "close the reconstruction comes.",
        "open_in_mix": "Open in Mix:",
        "nats": "nats",
        "what_is_kept": "What each model keeps",
        "the_numbers": "The numbers",
        "psnr_here": "PSNR (dB), your cats",
        "kl_here": "KL (nats), your cats",
        "psnr_all": "PSNR, validation",
        "kl_all": "KL, validation",
        "active": "active units",
        "rate_distortion": "Rate and distortion on validation faces",
        "rate_axis": "rate: KL in nats, logarithmic",
        "distortion_axis": "PSNR in dB: higher is closer",
        "v3_title": "And v3?",
        "v3_story": "v3 has the β of v1, but two layers and 100 latents instead of four and 500. As published it gave "
        "greys: its decoder applied a ReLU before the sigmoid, so that no pixel could be darker than a mid grey. "
        "Here the ReLU is gone.",
        "surprise": "Surprise me",
        "newborn": "Newborn kittens",
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
        "sharing": "Share and embed",
        "share_link": "Link to this mix",
        "share_link_info": "Opens these cats, model and steps",
        "share_iframe": "Embed: small",
        "share_component": "Embed: whole app",
        "share_own": "Only example cats travel in a link; your own pictures stay private. Left out: {cats}.",
        "open_app": "Kitten Mixer: try it with your own cats",
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
        "explore_intro": "### A map of cats\n"
        "A model turns a cat into hundreds of numbers. Here the example cats lie where those numbers put them, seen "
        "from the side that shows most: cats that the model finds alike are neighbours. "
        "Click two of them to mix them, and change the model to see them move.",
        "map": "Map of the example cats",
        "kitten": "Kitten {number}",
        "own_cat": "Your cat",
        "choose_a": "Click a cat: it becomes cat A.",
        "choose_b": "Now another: it becomes cat B.",
        "variance": "The two directions of the map show {percent} % of what tells these {count} cats apart to the "
        "model, their variance. Light cats lie right and up; where pictures would overlap they are moved apart.",
        "unknown_cat": "There is no such cat.",
        "sum_intro": "### Adding and subtracting cats\n"
        "Numbers can be added up, and so can cats. Take a plain cat from a spotted one and the spots are left, "
        "ready to be put on another.",
        "term_1": "Take this cat",
        "term_2": "without this one",
        "term_3": "with this one",
        "term_4": "The result",
        "choose_term_1": "Click the cat to start from, or a picture above to change that one.",
        "choose_term_2": "Click the cat to take away, or a picture above to change that one.",
        "choose_term_3": "Click the cat to add, or a picture above to change that one.",
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
        "morph": "Del gato A al gato B",
        "play": "Reproducir",
        "pause": "Pausa",
        "save_png": "Tira (PNG)",
        "save_gif": "GIF",
        "save_webp": "WebP",
        "save_mp4": "Vídeo (MP4)",
        "compare_intro": "Tus dos gatos con los seis modelos a la vez, la β menor arriba. Toca una fila para abrirla.",
        "compare_sentence": "Mira una columna hacia abajo: al crecer β se va primero el pelaje, luego los ojos y luego el "
        "gato, hasta que queda un gatito promedio en una pose parecida. KL es lo que los latentes dicen de un gato, en "
        "nats; PSNR, cuánto se acerca la reconstrucción.",
        "open_in_mix": "Abrir en Mezclar:",
        "nats": "nats",
        "what_is_kept": "Qué conserva cada modelo",
        "the_numbers": "Los números",
        "psnr_here": "PSNR (dB), tus gatos",
        "kl_here": "KL (nats), tus gatos",
        "psnr_all": "PSNR, validación",
        "kl_all": "KL, validación",
        "active": "unidades activas",
        "rate_distortion": "Tasa y distorsión en las caras de validación",
        "rate_axis": "tasa: KL en nats, logarítmica",
        "distortion_axis": "PSNR en dB: más alto, más fiel",
        "v3_title": "¿Y v3?",
        "v3_story": "v3 tiene la β de v1, pero dos capas y 100 latentes en lugar de cuatro y 500. Tal como se publicó daba "
        "grises: su decodificador aplicaba una ReLU antes de la sigmoide, y ningún píxel podía ser más oscuro que un "
        "gris medio. Aquí esa ReLU ya no está.",
        "surprise": "Sorpréndeme",
        "newborn": "Gatitos recién nacidos",
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
        "sharing": "Compartir e insertar",
        "share_link": "Enlace a esta mezcla",
        "share_link_info": "Abre estos gatos, modelo y pasos",
        "share_iframe": "Insertar: pequeña",
        "share_component": "Insertar: entera",
        "share_own": "En un enlace solo viajan los gatos de ejemplo; tus fotos son privadas. Se queda fuera: {cats}.",
        "open_app": "Mezclador de Gatitos: pruébalo con tus gatos",
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
        "explore_intro": "### Un mapa de gatos\n"
        "Un modelo convierte un gato en cientos de números. Aquí los gatos de ejemplo están donde esos números los "
        "ponen, vistos desde el lado que más muestra: los que el modelo encuentra parecidos son vecinos. "
        "Toca dos para mezclarlos, y cambia de modelo para ver cómo se mueven.",
        "map": "Mapa de los gatos de ejemplo",
        "kitten": "Gatito {number}",
        "own_cat": "Tu gato",
        "choose_a": "Toca un gato: será el gato A.",
        "choose_b": "Ahora otro: será el gato B.",
        "variance": "Las dos direcciones del mapa muestran el {percent} % de lo que distingue a estos {count} gatos "
        "para el modelo, su varianza. Los claros están a la derecha y arriba; donde las fotos se taparían, se separan un poco.",
        "unknown_cat": "No existe ese gato.",
        "sum_intro": "### Sumar y restar gatos\n"
        "Los números se suman, y los gatos también. Quita un gato liso de uno con manchas y quedan las manchas, "
        "listas para ponérselas a otro.",
        "term_1": "Toma este gato",
        "term_2": "sin este",
        "term_3": "con este",
        "term_4": "El resultado",
        "choose_term_1": "Toca el gato del que partir, o una foto de arriba para cambiar esa.",
        "choose_term_2": "Toca el gato que se quita, o una foto de arriba para cambiar esa.",
        "choose_term_3": "Toca el gato que se suma, o una foto de arriba para cambiar esa.",
    },
}
for language, lesson in LESSON.items():
    TEXTS[language] |= lesson


def language_of(headers: Mapping[str, str]) -> str:
    """The visitor's language, "es" or "en", from the browser's Accept-Language header."""
    header = headers.get("accept-language", "")
    for part in header.lower().split(","):  # browsers list them best first
        if part.strip()[:2] in TEXTS:
            return part.strip()[:2]
    return "en"
