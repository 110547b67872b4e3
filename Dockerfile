FROM python:3.12-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /venv
WORKDIR /src

# The locked dependencies change less often than the code: a layer of their own.
COPY requirements.lock .
RUN /venv/bin/pip install --require-hashes --requirement requirements.lock

COPY . .
RUN /venv/bin/pip install --no-deps --no-build-isolation .


FROM python:3.12-slim

RUN useradd --system --uid 10001 --create-home opensqt \
    && install --directory --owner opensqt --group opensqt /data
COPY --from=build /venv /venv

ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER opensqt
WORKDIR /data
VOLUME /data

ENTRYPOINT ["opensqt"]
CMD ["--help"]
