// Read as an ordinary script: a page that is opened as a file may load no modules.
if (location.protocol === "file:") {
  const said = document.createElement("p");
  said.setAttribute("role", "alert");
  said.textContent = "Opened as a file, the mixer cannot run. In its folder: python -m http.server, then http://localhost:8000. · " +
    "Abierto como archivo, el mezclador no funciona. En su carpeta: python -m http.server, y después http://localhost:8000.";
  document.currentScript?.before(said);
}
