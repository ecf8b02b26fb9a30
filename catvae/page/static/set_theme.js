() => {
    const theme = new URLSearchParams(location.search).get("theme");
    if (theme === "dark" || theme === "light") document.body.classList.toggle("dark", theme === "dark");
}
