import { Button, Stack } from "@mantine/core";
import { useInfiniteQuery, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Network, Plus } from "lucide-react";
import { useState } from "react";
import { operators } from "../api/operators";
import { me } from "../api/session";
import { Loaded } from "../features/problems/Loaded";
import { NotFound } from "../features/shell/NotFound";
import { CreateEnrollmentDialog } from "../features/staff/CreateEnrollmentDialog";
import { OperatorDrawer } from "../features/staff/OperatorEditor";
import { OperatorPanel } from "../features/staff/OperatorPanel";
import { EmptyState } from "../ui/EmptyState";
import { LoadMore } from "../ui/LoadMore";
import { Page } from "../ui/Page";
import { PanelSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/operators");

export function OperatorsPage() {
  const { person } = useSuspenseQuery(me).data;
  return person.is_staff ? <Operators /> : <NotFound />;
}

function Operators() {
  // As often as the brokers are asked: "caught up" compares the two.
  const list = useInfiniteQuery({ ...operators, refetchInterval: 5_000 });
  const { create } = route.useSearch();
  const navigate = route.useNavigate();
  const [enrolling, setEnrolling] = useState<string>();
  const all = list.data?.pages.flatMap((page) => page.items) ?? [];
  const standard = all.find((operator) => operator.is_default) ?? all[0];
  return (
    <Page
      title="Operators"
      description="The roots of trust of this installation, their brokers, and what each broker has applied."
      actions={
        <>
          <Button variant="default" onClick={() => void navigate({ search: { create: true } })}>
            Create operator
          </Button>
          {standard && (
            <Button leftSection={<Plus size={16} />} onClick={() => setEnrolling(standard.id)}>
              Enrol a broker
            </Button>
          )}
        </>
      }
    >
      <Loaded query={list} what="the operators" skeleton={<PanelSkeleton lines={6} />}>
        {() =>
          all.length === 0 ? (
            <EmptyState icon={<Network size={32} />} title="No operators">
              control makes the default operator when it first starts.
            </EmptyState>
          ) : (
            <Stack gap="lg">
              {all.map((operator) => (
                <OperatorPanel key={operator.id} operator={operator} onEnroll={() => setEnrolling(operator.id)} />
              ))}
              <LoadMore
                hasMore={list.hasNextPage}
                loading={list.isFetchingNextPage}
                onMore={() => void list.fetchNextPage()}
              />
            </Stack>
          )
        }
      </Loaded>
      <OperatorDrawer opened={create === true} onClose={() => void navigate({ search: {} })} />
      <CreateEnrollmentDialog operators={all} operator={enrolling} onClose={() => setEnrolling(undefined)} />
    </Page>
  );
}
