/** actionWords turns an operationId into words: "issueCredential" is "Issue credential". */
export function actionWords(operationId: string): string {
  const words = operationId
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .replace("api ", "API ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
