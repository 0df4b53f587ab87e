import { Button, Group, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { type Account, accountById } from "../../api/accounts";
import { type Mapping, mappingsOf, updateMappings } from "../../api/mappings";
import { Panel } from "../../ui/Panel";
import { DeliveryProgress } from "../accounts/DeliveryProgress";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";
import { MappingFields } from "./MappingFields";
import { type MappingForm, mappingFormOf, mappingOf, newMapping } from "./mappingForm";

type MappingEditorProps = { account: Account; mappings: Mapping[]; readOnly: boolean };

/** MappingEditor edits all mappings of an account together, as the API keeps them. */
export function MappingEditor({ account, mappings, readOnly }: MappingEditorProps) {
  const queryClient = useQueryClient();
  const [base, setBase] = useState(mappings);
  const [forms, setForms] = useState<MappingForm[]>(() => mappings.map(mappingFormOf));
  const [saved, setSaved] = useState(0);
  const body = forms.map(mappingOf);
  const changed = JSON.stringify(body) !== JSON.stringify(base.map(mappingFormOf).map(mappingOf));
  const { act, pending, problem } = useAct(async () => {
    const answer = await updateMappings(account, { mappings: body });
    setBase(answer.mappings);
    setForms(answer.mappings.map(mappingFormOf));
    setSaved((times) => times + 1);
    queryClient.setQueryData(mappingsOf(account.id).queryKey, answer);
    // They change under the account's ETag.
    await queryClient.invalidateQueries({ queryKey: accountById(account.id).queryKey, exact: true });
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, pointersOf(forms));
  const set = (index: number, value: MappingForm) =>
    setForms(forms.map((other, place) => (place === index ? value : other)));
  return (
    <Panel
      title="Subject mappings"
      description="Messages published to a subject go to others instead, by weights: to roll out a version, split a stream, rename a subject."
    >
      <form
        ref={form}
        noValidate
        aria-label="Subject mappings"
        onSubmit={(event) => {
          event.preventDefault();
          act();
        }}
      >
        <fieldset disabled={readOnly} style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
          <Stack gap="md">
            {forms.length === 0 && (
              <Text size="sm" c="dimmed">
                None: every message goes where it was sent.
              </Text>
            )}
            {forms.map((mapping, index) => (
              <MappingFields
                key={index}
                index={index}
                pointer="/mappings"
                value={mapping}
                errors={errors}
                onChange={(value) => set(index, value)}
                onRemove={() => setForms(forms.filter((_, place) => place !== index))}
              />
            ))}
            {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
            {saved > 0 && !changed && <DeliveryProgress key={saved} account={account.id} />}
            {!readOnly && (
              <Group justify="space-between" gap="sm">
                <Button
                  variant="default"
                  leftSection={<Plus size={16} />}
                  onClick={() => setForms([...forms, newMapping])}
                >
                  Add a mapping
                </Button>
                <Button type="submit" loading={pending} disabled={!changed}>
                  Save mappings
                </Button>
              </Group>
            )}
          </Stack>
        </fieldset>
      </form>
    </Panel>
  );
}

function pointersOf(forms: MappingForm[]): string[] {
  return forms.flatMap(({ destinations }, index) => [
    `/mappings/${index}`,
    `/mappings/${index}/subject`,
    ...destinations.flatMap((_, place) =>
      ["", "/subject", "/weight", "/cluster"].map((part) => `/mappings/${index}/destinations/${place}${part}`),
    ),
  ]);
}
