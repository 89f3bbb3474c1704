# ZooKeeper, Fluss, its Paimon plug-in and the tiering job, from the jars that the tests run. Build from the root of the repository:
# docker build -f docker/fluss.Dockerfile -t millrace-fluss .
FROM maven:3.9-eclipse-temurin-17 AS jars
COPY integration-tests/lab /lab
RUN MILLRACE_LAB_HOME=/opt/fluss /lab/fetch.sh

FROM eclipse-temurin:17-jre
RUN useradd --uid 10001 --no-create-home fluss && install -d -o fluss /srv/fluss /srv/lake /srv/remote
COPY --from=jars /opt/fluss /opt/fluss
USER 10001
WORKDIR /srv/fluss
