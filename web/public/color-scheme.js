// Runs before the first paint, so that a dark page does not flash white. A file of its own: the
// Content-Security-Policy allows no inline script. The key is the one that src/ui/theme.ts gives Mantine.
(function () {
  var chosen = "auto";
  try {
    chosen = localStorage.getItem("signalbox.color-scheme") || "auto";
  } catch {
    // Storage is blocked: follow the system.
  }
  var dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
