import { Stack, Text, Title } from "@mantine/core";
import { ButtonLink } from "../../ui/links";

export function NotFound() {
  return (
    <Stack align="center" py={80} px="md" gap="sm" ta="center">
      <Title order={1}>There is nothing here</Title>
      <Text c="dimmed" maw="50ch">
        The page was deleted, never existed, or belongs to a team that you are not a member of.
      </Text>
      <ButtonLink to="/" variant="default" mt="sm">
        Go to the overview
      </ButtonLink>
    </Stack>
  );
}
