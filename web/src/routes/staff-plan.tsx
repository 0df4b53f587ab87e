import { Button, Group, Stack, Text } from "@mantine/core";
import { useQuery, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { makeDefaultPlan, type NewestPlan, planById } from "../api/plans";
import { me } from "../api/session";
import { PlanBounds } from "../features/plans/PlanBounds";
import { PlanDrawer } from "../features/plans/PlanEditor";
import { DefaultBadge } from "../features/plans/PlanTable";
import { PlanVersions } from "../features/plans/PlanVersions";
import { Loaded } from "../features/problems/Loaded";
import { ProblemNotice } from "../features/problems/ProblemNotice";
import { useAct } from "../features/problems/useAct";
import { NotFound } from "../features/shell/NotFound";
import { TextLink } from "../ui/links";
import { Page } from "../ui/Page";
import { PanelSkeleton } from "../ui/Skeletons";

const route = getRouteApi("/signed-in/plans/$plan");

export function StaffPlanPage() {
  const { person } = useSuspenseQuery(me).data;
  return person.is_staff ? <StaffPlan /> : <NotFound />;
}

function StaffPlan() {
  const { plan } = route.useParams();
  const query = useQuery(planById(plan));
  return (
    <Loaded query={query} what="the plan" skeleton={<PanelSkeleton lines={8} />}>
      {(data) => <PlanOf plan={data} />}
    </Loaded>
  );
}

function PlanOf({ plan }: { plan: NewestPlan }) {
  const queryClient = useQueryClient();
  const { edit } = route.useSearch();
  const navigate = route.useNavigate();
  const close = () => void navigate({ search: {} });
  const standard = useAct(async () => {
    await makeDefaultPlan(plan.id);
    await queryClient.invalidateQueries({ queryKey: ["plans"] });
  });
  return (
    <Page
      title={plan.name}
      trail={[
        <TextLink key="plans" to="/plans" size="sm" c="dimmed">
          Plans
        </TextLink>,
        <Text key="name" size="sm">
          {plan.name}
        </Text>,
      ]}
      description={
        <Group gap="xs">
          Version {plan.version}
          {plan.is_default && <DefaultBadge />}
        </Group>
      }
      actions={
        <>
          {!plan.is_default && (
            <Button variant="default" loading={standard.pending} onClick={() => standard.act()}>
              Make it the default
            </Button>
          )}
          <Button onClick={() => void navigate({ search: { edit: true } })}>Edit</Button>
        </>
      }
    >
      {standard.problem && <ProblemNotice problem={standard.problem} title="Could not make it the default" />}
      <Stack gap="lg">
        <PlanVersions newest={plan} />
        <PlanBounds plan={plan} />
      </Stack>
      <PlanDrawer key={plan.version} opened={edit === true} plan={plan} onSaved={close} onClose={close} />
    </Page>
  );
}
