/** downloadFile hands a text or a blob to the browser as a file. The object URL, which anyone on the page could read, goes at once. */
export function downloadFile(name: string, content: string | Blob): void {
  const blob = typeof content === "string" ? new Blob([content], { type: "application/octet-stream" }) : content;
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The browser has to have begun reading before the URL may go.
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
