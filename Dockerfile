# Both images of Signalbox: a static binary on an empty filesystem, run by a
# user without a name or rights.
#
#   docker build --target control -t signalbox-control .
#   docker build --target broker  -t signalbox-broker  .

FROM node:20-bookworm-slim AS web
WORKDIR /src
COPY web/package.json web/package-lock.json web/.npmrc web/
RUN cd web && npm ci --no-audit --no-fund
COPY api/openapi.yaml api/
COPY web web
RUN cd web && npm run build

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/web/dist web/dist
RUN go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/ ./cmd/control ./cmd/broker
# A new volume at /data takes over that folder's owner, so the folder has to exist.
RUN mkdir -p /home-of-broker/data

FROM scratch AS control
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/control /control
ENV SIGNALBOX_LISTEN=0.0.0.0:8080 SIGNALBOX_METRICS=0.0.0.0:9180
# The API and the web UI; metrics.
EXPOSE 8080 9180
USER 65532:65532
ENTRYPOINT ["/control"]
CMD ["serve"]

FROM scratch AS broker
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/broker /broker
COPY --from=build --chown=65532:65532 /home-of-broker/ /
ENV SIGNALBOX_DATA=/data SIGNALBOX_METRICS=0.0.0.0:9181
# NATS, WebSocket, MQTT, leaf nodes, cluster routes; metrics.
EXPOSE 4222 9222 1883 7422 6222 9181
VOLUME /data
USER 65532:65532
ENTRYPOINT ["/broker"]
