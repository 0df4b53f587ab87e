import { createContext, use } from "react";
import type { Account } from "../../api/accounts";

/** AccountContext is the account whose pages these are; its layout has loaded it before they show. */
export const AccountContext = createContext<Account | null>(null);

export function useAccount(): Account {
  const account = use(AccountContext);
  if (!account) throw new Error("useAccount outside an account's pages");
  return account;
}
