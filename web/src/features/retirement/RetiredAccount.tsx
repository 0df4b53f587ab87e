import { useQuery } from "@tanstack/react-query";
import { retirementOf } from "../../api/accounts";
import { Page } from "../../ui/Page";
import { PanelSkeleton } from "../../ui/Skeletons";
import { NotFound } from "../shell/NotFound";
import { RetirementPanels } from "./RetirementPanels";

/** RetiredAccount is what is left to see of an account that was purged; of one that never was, nothing. */
export function RetiredAccount({ account }: { account: string }) {
  const retirement = useQuery({ ...retirementOf(account), retry: false });
  if (retirement.isPending) return <PanelSkeleton lines={6} />;
  if (!retirement.data) return <NotFound />;
  return (
    <Page title={retirement.data.account} description="Deleted for good.">
      <RetirementPanels account={account} />
    </Page>
  );
}
