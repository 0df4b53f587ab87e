import { createTheme, localStorageColorSchemeManager, type MantineColorsTuple } from "@mantine/core";

const cobalt: MantineColorsTuple = [
  "#eef3ff", "#dde6fe", "#b9cafb", "#8faaf7", "#6b8df3", "#4b71ec", "#335fe2", "#294fc6", "#2243a6", "#1b3684",
]; // prettier-ignore

// One neutral scale, in the two forms that Mantine wants it.
const gray: MantineColorsTuple = [
  "#f8f9fa", "#f1f3f5", "#e6e9ec", "#d8dce1", "#bcc2ca", "#949ba6", "#666d79", "#4a515d", "#2d323b", "#181b20",
]; // prettier-ignore
const dark: MantineColorsTuple = [
  "#dcdfe4", "#b6bbc4", "#9299a4", "#6a707c", "#3a3f49", "#2c3038", "#1d2026", "#131519", "#0e1013", "#090a0c",
]; // prettier-ignore

export const theme = createTheme({
  primaryColor: "cobalt",
  primaryShade: { light: 6, dark: 6 },
  colors: { cobalt, gray, dark },
  fontFamily: "'Inter Variable', Inter, system-ui, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', 'JetBrains Mono', ui-monospace, monospace",
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "1.375rem", lineHeight: "1.3" },
      h2: { fontSize: "1rem", lineHeight: "1.4" },
      h3: { fontSize: "0.875rem", lineHeight: "1.4" },
    },
  },
  fontSizes: { xs: "0.75rem", sm: "0.875rem", md: "0.9375rem", lg: "1.0625rem", xl: "1.25rem" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  autoContrast: true,
  components: {
    Button: { defaultProps: { size: "sm" } },
    TextInput: { defaultProps: { size: "sm" } },
    PasswordInput: {
      defaultProps: { size: "sm", visibilityToggleButtonProps: { "aria-label": "Show or hide what you typed" } },
    },
    Select: { defaultProps: { size: "sm", allowDeselect: false } },
    Modal: {
      styles: { title: { fontWeight: 600 } },
      defaultProps: { transitionProps: { duration: 120 }, overlayProps: { backgroundOpacity: 0.4 } },
    },
    Drawer: {
      styles: { title: { fontWeight: 600 } },
      defaultProps: { transitionProps: { duration: 140 }, overlayProps: { backgroundOpacity: 0.4 } },
    },
    Tooltip: { defaultProps: { transitionProps: { duration: 80 }, openDelay: 200, withArrow: true, multiline: true } },
    Menu: { defaultProps: { transitionProps: { duration: 80 } } },
  },
});

/** public/color-scheme.js reads the same key before the first paint. */
export const colorSchemeManager = localStorageColorSchemeManager({ key: "signalbox.color-scheme" });
