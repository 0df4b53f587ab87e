/** downloadFile hands a text to the browser as a file. The object URL, which anyone on the page could read, goes at once. */
export function downloadFile(name: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The browser has to have begun reading before the URL may go.
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
