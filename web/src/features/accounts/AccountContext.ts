import { createContext, use } from "react";
import type { Account } from "../../api/accounts";
import { useMay } from "../shell/useTenant";

/** AccountContext is the account whose pages these are; its layout has loaded it before they show. */
export const AccountContext = createContext<Account | null>(null);

export function useAccount(): Account {
  const account = use(AccountContext);
  if (!account) throw new Error("useAccount outside an account's pages");
  return account;
}

/** useMayChange tells whether the person may change what is in the account: not while it is being deleted. */
export function useMayChange(): boolean {
  const account = use(AccountContext);
  return useMay("developer") && account?.status !== "deleting";
}
