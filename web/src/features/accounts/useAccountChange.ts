import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, accountById, type AccountUpdate, updateAccount } from "../../api/accounts";
import { useAct } from "../problems/useAct";

/**
 * useAccountChange changes a part of the account that a dialog is about. A change by someone else since the dialog was
 * opened is refused by the etag: `takeTheirs` reads the account anew and answers it.
 */
export function useAccountChange(account: Account) {
  const queryClient = useQueryClient();
  const [base, setBase] = useState(account);
  const [done, setDone] = useState(false);
  const { act, pending, problem, forget } = useAct(async (body: AccountUpdate) => {
    const updated = await updateAccount(base, body);
    queryClient.setQueryData(accountById(account.id).queryKey, updated);
    setBase(updated);
    setDone(true);
    await queryClient.invalidateQueries({ queryKey: ["accounts", account.id] });
  });
  async function takeTheirs(): Promise<Account> {
    const theirs = await queryClient.fetchQuery({ ...accountById(account.id), staleTime: 0 });
    setBase(theirs);
    forget();
    return theirs;
  }
  return { base, act, pending, problem, done, takeTheirs };
}
