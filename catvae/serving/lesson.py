"""The long texts of the page that explains, in English and Spanish; `texts` adds them to its own."""

LESSON: dict[str, dict[str, str]] = {
    "en": {
        "lesson_vae": """
### A cat in a few hundred numbers

A variational autoencoder is two networks that learn together. The first, the *encoder*, looks at a face of 64×64
pixels, which is 12,288 numbers, and sums it up in 500. The second, the *decoder*, sees only those 500 numbers, the
*latents*, and paints the face again. Nobody tells them what a latent should mean. They are only asked to lose as
little as possible on the way, and so they agree by themselves on what matters about cats: the light, the coat, where
the nose points.

What makes it *variational* is that the encoder does not name a point but a small cloud: for each latent a mean, and
how sure it is of it. In training the decoder gets a random point of that cloud. It has to paint the same cat from
anywhere in it, so that neighbouring points come to mean similar cats, and the gaps between cats fill up with more
cats. So there is a way from any cat to any other, and that is all the magic of this page.

### What β does

Training pulls in two directions. One is *reconstruction*: what comes out should be what went in. The other is a *tidy
latent space*: every cloud should look like the same round standard cloud around zero. How far a cloud is from it is
called the KL divergence and is measured in *nats*, a unit of information like the bit; one nat is 1.44 bits. It says
how much the latents tell about this one cat that is not true of every cat. **β is the price of a nat.**

When nats are cheap, as in v6, the encoder spends them freely and the decoder learns of every whisker. When they are
dear, as in v2, the encoder keeps to what is worth the price, coat and pose, and the clouds of similar cats overlap.
From a point in several clouds the decoder cannot know which cat was meant, and the answer that is least wrong is the
average of them all. An average of many sharp faces is a soft one: that is the blur of a high β. It is the right
answer to a vague question.
""",
        "lesson_figure": "On top the example kittens, below what each model keeps, from the smallest β to the largest.",
        "lesson_figure_alt": "Eight kittens and their reconstructions by six models: with growing β whiskers and fur "
        "fade, and with the largest only soft faces in the right colours are left.",
        "lesson_table": "Measured on {images} faces that no model has learned from. PSNR and SSIM say how close a "
        "reconstruction is to the cat, more being closer; KL is what the latents tell about it. A latent is active "
        "when its mean differs from cat to cat.",
        "lesson_columns": "Model|β|PSNR (dB)|SSIM|KL (nats)|Active latents",
        "lesson_mix": """
The table reads like a price list: each step down buys fewer nats and gets a less faithful picture. v3 has the β of
v1, but a smaller network and 100 latents in place of 500, and keeps less of a cat.

### The straight line between two cats

To mix two cats, the app encodes both, takes the means of their clouds, and walks from one to the other in a straight
line: at a quarter of the way every latent is three parts cat A and one part cat B. Each stop is decoded into a face,
and as no chance is involved, the same cats always give the same mix. This is not the cross-fade of two photos, which
would show four eyes half way. What moves is the description, and the decoder paints one cat for each.
""",
        "lesson_way": "The same two cats mixed by each model, from the smallest β to the largest.",
        "lesson_way_alt": "Six rows, one per model: a brown tabby turns into a black and white cat in eight steps.",
        "lesson_found": """
### Two things we found

This project began as a remake of a published one, and two of its results turned out to have other causes than it
seemed. The first is in the data. **41 % of the published pictures are exact copies** of others in the set. Split such
a set at random into faces to learn from and faces to test on, and many faces leak to both sides: the test is partly
of what was learned by heart. Here copies, near copies and mirror images are removed before the split, and the table
above is about faces that are new to the models.

The second is **why v3 came out grey**. Its small network is easy to blame, but its decoder applied the ReLU
activation once more, after the last layer and just before the sigmoid that turns numbers into brightness. ReLU makes
every negative number zero, and the sigmoid of zero is one half: no pixel could be darker than medium grey, and no
training could have helped. Here that one step is left out, and the small network paints black cats as black as its
larger siblings do.
""",
    },
    "es": {
        "lesson_vae": """
### Un gato en unos cientos de números

Un autocodificador variacional son dos redes que aprenden juntas. La primera, el *codificador*, mira una cara de 64×64
píxeles, es decir, 12.288 números, y la resume en 500. La segunda, el *decodificador*, solo ve esos 500 números, los
*latentes*, y vuelve a pintar la cara. Nadie les dice qué debe significar un latente. Solo se les pide que pierdan lo
mínimo por el camino, y así acuerdan por su cuenta qué importa en un gato: la luz, el pelaje, hacia dónde apunta la
nariz.

Lo *variacional* es que el codificador no nombra un punto, sino una pequeña nube: para cada latente una media, y lo
seguro que está de ella. Al entrenar, el decodificador recibe un punto al azar de esa nube. Tiene que pintar el mismo
gato desde cualquier lugar de ella; así los puntos vecinos acaban significando gatos parecidos, y los huecos entre
gatos se llenan de más gatos. Así hay un camino de cualquier gato a cualquier otro, y esa es toda la magia de esta
página.

### Qué hace β

El entrenamiento tira en dos direcciones. Una es la *reconstrucción*: lo que sale debe ser lo que entró. La otra es un
*espacio latente ordenado*: todas las nubes deben parecerse a una misma nube redonda alrededor del cero. Lo lejos que
está una nube de ella se llama divergencia KL y se mide en *nats*, una unidad de información como el bit; un nat son
1,44 bits. Dice cuánto cuentan los latentes sobre este gato que no valga para cualquier gato. **β es el precio de un
nat.**

Cuando los nats son baratos, como en v6, el codificador los gasta sin mirar y el decodificador se entera de cada
bigote. Cuando son caros, como en v2, se queda con lo que vale su precio, el pelaje y la postura, y las nubes de gatos
parecidos se solapan. Desde un punto que está en varias nubes, el decodificador no puede saber de qué gato se trataba,
y la respuesta menos equivocada es el promedio de todos. El promedio de muchas caras nítidas es una cara suave: ese es
el desenfoque de una β alta. Es la respuesta correcta a una pregunta vaga.
""",
        "lesson_figure": "Arriba los gatitos de ejemplo, debajo lo que conserva cada modelo, de la β menor a la mayor.",
        "lesson_figure_alt": "Ocho gatitos y sus reconstrucciones por seis modelos: al crecer β se pierden bigotes y "
        "pelo, y con la mayor solo quedan caras suaves de los colores correctos.",
        "lesson_table": "Medido con {images} caras de las que ningún modelo ha aprendido. PSNR y SSIM dicen lo cerca "
        "que queda la reconstrucción del gato, más es más cerca; KL es lo que los latentes cuentan de él. Un latente está "
        "activo cuando su media cambia de un gato a otro.",
        "lesson_columns": "Modelo|β|PSNR (dB)|SSIM|KL (nats)|Latentes activos",
        "lesson_mix": """
La tabla se lee como una lista de precios: cada paso hacia abajo compra menos nats y recibe una imagen menos fiel. v3
tiene la β de v1, pero una red más pequeña y 100 latentes en lugar de 500, y conserva menos de un gato.

### La línea recta entre dos gatos

Para mezclar dos gatos, la aplicación codifica los dos, toma las medias de sus nubes y va de una a otra en línea
recta: a un cuarto del camino, cada latente tiene tres partes del gato A y una del gato B. Cada parada se decodifica
en una cara y, como el azar no interviene, los mismos gatos dan siempre la misma mezcla. No es un fundido entre dos
fotos, que a medio camino mostraría cuatro ojos. Lo que se mueve es la descripción, y el decodificador pinta un solo
gato para cada una.
""",
        "lesson_way": "Los mismos dos gatos mezclados por cada modelo, de la β menor a la mayor.",
        "lesson_way_alt": "Seis filas, una por modelo, en las que un gato atigrado pardo se convierte en ocho pasos en "
        "uno blanco y negro.",
        "lesson_found": """
### Dos cosas que encontramos

Este proyecto empezó como una nueva versión de uno publicado, y dos de los resultados de aquel tenían otras causas que
las aparentes. La primera está en los datos. **El 41 % de las fotos publicadas son copias exactas** de otras del mismo
conjunto. Si se reparte al azar en caras para aprender y caras para examinar, muchas caras se filtran a ambos lados:
el examen es en parte de lo aprendido de memoria. Aquí las copias, las casi copias y las imágenes especulares se
quitan antes del reparto, y la tabla de arriba trata de caras que son nuevas para los modelos.

La segunda es **por qué v3 salía gris**. Es fácil culpar a su pequeña red, pero su decodificador aplicaba la
activación ReLU una vez más, tras la última capa y justo antes de la sigmoide que convierte números en brillo. ReLU
vuelve cero todo número negativo, y la sigmoide de cero es un medio: ningún píxel podía ser más oscuro que un gris
medio, y ningún entrenamiento podía remediarlo. Aquí se omite ese paso, y la red pequeña pinta los gatos negros tan
negros como sus hermanas mayores.
""",
    },
}
