import "@mantine/core/styles.css";
import "@mantine/spotlight/styles.css";
import "./ui/global.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { onSessionEnded, Problem } from "./api/client";
import { me } from "./api/session";
import { makeRouter } from "./routes/router";
import { colorSchemeManager, theme } from "./ui/theme";

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What the server refused it will refuse again; only a lost answer is worth asking for twice.
      retry: (failures, error) =>
        failures < 2 && (!(error instanceof Problem) || error.status === 0 || error.status >= 502),
      retryDelay: (failures) => 400 * 2 ** failures,
    },
  },
});

const router = makeRouter(queryClient);

onSessionEnded(() => {
  // Somebody who was never signed in is sent to log in by the route guard.
  if (!queryClient.getQueryData(me.queryKey)) return;
  queryClient.clear();
  void router.navigate({ to: "/log-in", search: { return: router.state.location.href } });
});

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} colorSchemeManager={colorSchemeManager} defaultColorScheme="auto">
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
